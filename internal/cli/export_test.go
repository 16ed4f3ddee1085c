package cli

// Ask asks as on a terminal.
var Ask = confirm
