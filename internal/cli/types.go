package cli

import (
	"sparkle/streams"
	"sparkle/tasks"
	"sparkle/tasks/learning"
)

// Known returns the types that these programs were built with, for publishing.
func Known() *tasks.Registry {
	var r tasks.Registry
	learning.Declare(&r)
	return &r
}

// Handled returns the same types with their handlers, which keep their effects
// in c's namespace.
func Handled(c *streams.Client) *tasks.Registry {
	var r tasks.Registry
	learning.Register(&r, learning.Stores{Ledger: streams.NewLedger(c), Pictures: c})
	return &r
}
