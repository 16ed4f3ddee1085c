package cli

import (
	"os"
	"runtime/debug"
)

// GarbagePercent is Go's GOGC for these programs, where the environment says
// nothing: much of what a task needs is garbage a moment later, and collecting it
// less often gives 5 to 10 % more tasks a second for some MiB of memory.
const garbagePercent = 200

// CollectLess is for main alone, since it sets the garbage collector of the whole
// process. A limit of memory (GOMEMLIMIT) goes before it.
func CollectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
}
