package streams

import "strings"

// Keys of the control bucket. A name in a key is a priority, a pool, a type, an
// id or a hash, so it has no dot.
const (
	sweepKey   = "sweep"  // who swept last, by its revision
	cancelKind = "cancel" // cancel.<nuid>: runs that were cancelled; kept for an hour
	pauseKind  = "pause"  // pause.<priority>.<pool>.<type>: who paused what, why, until when
)

// AnyName stands in a key for a name that was left open; no name has it.
const anyName = "="

func controlKey(kind string, names ...string) string {
	return kind + "." + strings.Join(names, ".")
}
