package streams

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"sparkle/tasks"
)

// A ReplayOutcome says what became of one letter of many.
type ReplayOutcome string

// What becomes of a letter.
const (
	Replayed     ReplayOutcome = "replayed" // its new run is stored, the letter is deleted
	StillWaiting ReplayOutcome = "waiting"  // another run of its id has not ended; the letter stays
	BadPayload   ReplayOutcome = "invalid"  // its payload is refused; the letter stays
	NotReplayed  ReplayOutcome = "failed"   // the server did not do it; the letter stays
	Gone         ReplayOutcome = "gone"     // another has replayed or removed it
)

// A ReplayResult tells of one letter.
type ReplayResult struct {
	ID       string        `json:"id"`
	Type     string        `json:"type"`
	Sequence uint64        `json:"sequence"` // of the letter
	Replayed string        `json:"replayed"` // the run that died
	Run      string        `json:"run,omitempty"`
	Outcome  ReplayOutcome `json:"outcome"`
	Error    string        `json:"error,omitempty"`
	// Err is the error itself.
	Err error `json:"-"`
}

// ReplayAll replays the letters that match, the older letter of an id before the
// newer one, and calls fn for each, one call at a time. Letters that die while it
// runs are left out, so that it ends. It stops at the first error that would meet
// all other letters too, such as [ErrFull] or [ErrUnreachable], and when ctx is
// done; the letters that are in work then are brought to their end and told.
func (r *Replayer) ReplayAll(ctx context.Context, f DeadFilter, fn func(ReplayResult)) error {
	if err := r.options.Check(); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var telling sync.Mutex
	work := newLanes(r.options.Concurrency, func(d DeadLetter) {
		if ctx.Err() != nil {
			return // not begun
		}
		result := r.replayOne(ctx, d)
		if result.Outcome == NotReplayed {
			stop(result.Err)
		}
		telling.Lock()
		defer telling.Unlock()
		fn(result)
	})
	pace := pacer{every: interval(r.options.Rate)}
	err := r.publisher.DeadLetters(ctx, f, func(d DeadLetter) bool {
		d.Payload, d.Raw, d.Attempts = nil, nil, nil // read again when its turn comes
		return pace.wait(ctx) && work.give(ctx, d)
	})
	work.end()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (r *Replayer) replayOne(ctx context.Context, d DeadLetter) ReplayResult {
	receipt, err := r.Replay(context.WithoutCancel(ctx), d) // what has begun is brought to its end
	result := ReplayResult{
		ID: d.ID, Type: d.Type, Sequence: d.Sequence, Replayed: d.Run, Run: receipt.Run, Outcome: outcome(err), Err: err,
	}
	if err != nil {
		result.Run, result.Error = "", err.Error()
	}
	return result
}

func outcome(err error) ReplayOutcome {
	var invalid *tasks.InvalidError
	switch {
	case err == nil:
		return Replayed
	case errors.Is(err, ErrWaiting):
		return StillWaiting
	case errors.Is(err, ErrNoLetter):
		return Gone
	case errors.As(err, &invalid):
		return BadPayload
	default:
		return NotReplayed
	}
}

// Lanes work on letters side by side, but on those of one id in their order.
type lanes struct {
	seed    maphash.Seed
	lanes   []chan DeadLetter
	working sync.WaitGroup
}

func newLanes(n int, do func(DeadLetter)) *lanes {
	l := &lanes{seed: maphash.MakeSeed(), lanes: make([]chan DeadLetter, n)}
	for i := range l.lanes {
		lane := make(chan DeadLetter, 1)
		l.lanes[i] = lane
		l.working.Go(func() {
			for d := range lane {
				do(d)
			}
		})
	}
	return l
}

// Give reports whether the letter was taken before ctx was done.
func (l *lanes) give(ctx context.Context, d DeadLetter) bool {
	select {
	case l.lanes[maphash.String(l.seed, d.ID)%uint64(len(l.lanes))] <- d:
		return true
	case <-ctx.Done():
		return false
	}
}

// End waits for what was given.
func (l *lanes) end() {
	for _, lane := range l.lanes {
		close(lane)
	}
	l.working.Wait()
}

// A pacer keeps steps apart, and lets late ones catch up a little.
type pacer struct {
	every time.Duration // 0: no limit
	next  time.Time
}

const catchUp = 100 * time.Millisecond

func interval(perSecond float64) time.Duration {
	if perSecond <= 0 {
		return 0
	}
	return time.Duration(float64(time.Second) / perSecond)
}

// Wait waits for the next step and reports whether it came before ctx was done.
func (p *pacer) wait(ctx context.Context) bool {
	now := time.Now()
	if oldest := now.Add(-catchUp); p.next.IsZero() {
		p.next = now
	} else if p.next.Before(oldest) {
		p.next = oldest
	}
	pause(ctx, p.next.Sub(now))
	p.next = p.next.Add(p.every)
	return ctx.Err() == nil
}
