package tasks

import (
	"context"
	"sync"
	"time"
)

const (
	// MaxNote bounds a progress note and the reason of a cancellation, in bytes.
	MaxNote     = 256
	reportEvery = 500 * time.Millisecond // between two progress reports of one attempt
	reportAfter = 250 * time.Millisecond // a shorter run is told by its outcome alone
)

// Progress makes known how far the task of ctx is: fraction between 0 and 1, and
// a note for people, at most 256 bytes. It never blocks; of calls in quick
// succession the last one is told, at most two a second. Outside of a handler it
// does nothing.
func Progress(ctx context.Context, fraction float64, note string) {
	if a, ok := ctx.Value(deliveryKey{}).(*attempt); ok {
		a.report.progress(min(max(fraction, 0), 1), bounded(note, MaxNote))
	}
}

// A reporter holds what is to be told of a running attempt until the keeper
// tells it.
type reporter struct {
	mu       sync.Mutex
	fraction float64
	note     string
	fresh    bool
	told     time.Time
	closed   bool
}

func (r *reporter) progress(fraction float64, note string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// A NaN compares unlike itself, and would be no JSON.
	if fraction != fraction {
		fraction = 0
	}
	r.fraction, r.note, r.fresh = fraction, note, true
}

// Tell calls report when there is something new to tell, once reportAfter has
// passed since the start, and again each repeat so that readers see that the
// attempt lives.
func (r *reporter) tell(now, started time.Time, repeat time.Duration, report func(Report)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	since, first := now.Sub(r.told), r.told.IsZero()
	if first {
		since = now.Sub(started)
		repeat = reportAfter
	}
	if r.closed || since < repeat && (!r.fresh || !first && since < reportEvery) {
		return
	}
	r.told, r.fresh = now, false
	report(Report{Fraction: r.fraction, Note: r.note, First: first})
}

// Close returns when nothing is being told, and nothing will be: a report that
// came after the outcome would say that the task still runs.
func (r *reporter) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}
