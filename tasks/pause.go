package tasks

import (
	"maps"
	"math/rand/v2"
	"time"
)

// PausedFor is how long a task of a paused type is parked, at most: then it asks
// again, so that one that was parked just after the resume comes back by itself.
const pausedFor = 5 * time.Minute

// PauseTypes sets which types are paused, and until when; zero means until they
// are resumed. It replaces those of the last call. Tasks of a paused type are
// parked with [ReasonPaused] when their turn comes; those that run go on. It is
// safe for concurrent use.
func (w *Worker) PauseTypes(until map[string]time.Time) {
	paused := maps.Clone(until)
	w.paused.Store(&paused)
}

// PausedType returns when a task of a paused type is to be tried again: spread
// over a fifth of the time, so that they do not all come at once.
func (w *Worker) pausedType(typ string, now time.Time) (at time.Time, paused bool) {
	types := w.paused.Load()
	if types == nil {
		return time.Time{}, false
	}
	until, paused := (*types)[typ]
	if !paused || (!until.IsZero() && !now.Before(until)) {
		return time.Time{}, false
	}
	at = now.Add(pausedFor - rand.N(pausedFor/5))
	if !until.IsZero() && until.Before(at) {
		at = until.Add(rand.N(time.Second))
	}
	return at, true
}
