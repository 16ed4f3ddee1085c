package cli

// Ask is Confirm where a person is there.
var Ask = ask
