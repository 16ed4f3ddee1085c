package streams

import "strings"

// Keys of the control bucket. A name in a key is a priority, a pool, a type, an
// id or a hash, so it has no dot.
const (
	sweepKey = "sweep" // who swept last, by its revision
)

func controlKey(kind string, names ...string) string {
	return kind + "." + strings.Join(names, ".")
}
