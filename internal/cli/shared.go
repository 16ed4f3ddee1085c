package cli

// Shared are the flags that every program has; embed it in a grammar.
type Shared struct {
	Connection
	Config
	Logging
	Version VersionFlag `help:"Print the version and exit."`
}
