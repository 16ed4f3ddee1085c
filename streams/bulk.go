package streams

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"sync"
	"time"

	"sparkle/tasks"
)

// ErrNotTried is the outcome of a task that a bulk has read and not sent, since
// it ended before.
var ErrNotTried = errors.New("not tried")

// A BulkTask is a task of a bulk with the caller's own mark, such as the number
// of its line.
type BulkTask struct {
	Tag  int
	Task tasks.Task
}

// A BulkOutcome is what became of one task of a bulk. Err is nil when it is
// stored; a [*tasks.InvalidError] when it cannot be; [ErrWaiting] when a task of
// its chosen id has not ended; [ErrNotTried]; else why it is not known to be
// stored, [ErrUnreachable] mostly. The receipt has no sequence, which the server
// does not tell for each task of a bulk.
type BulkOutcome struct {
	Tag     int
	Receipt Receipt
	Err     error
}

// BulkOptions configures a bulk.
type BulkOptions struct {
	// Lanes is how many batches are sent side by side. Default 1; at most 16.
	// More pay where checking and sealing a task takes longer than storing it.
	Lanes int
	// Outcome, when not nil, is called once for each task that was read, by
	// several goroutines at a time, in no order. It must not block for long.
	Outcome func(BulkOutcome)
}

const maxLanes = 16

// A BulkReport counts what became of the tasks of a bulk.
type BulkReport struct {
	Stored  int // the server has them
	Waiting int // refused: a task of the chosen id has not ended
	Invalid int // refused: they cannot run, or are too large
	Failed  int // not confirmed by the server
	Skipped int // read and not tried, since the bulk ended before
	Took    time.Duration
}

// Bulk publishes all of items as fast as the server takes them, in batches
// instead of with an answer each, and returns when it is known what became of
// every one. Memory is bounded however many there are: at most some hundred
// tasks, or 4 MiB of payloads, are on their way in a lane, and of payloads above
// [MaxInline] four in all. Of two tasks with one chosen id the earlier is
// published first.
//
// A task that is refused does not keep the others. The bulk ends early, with the
// error that did it, when a queue is full ([ErrFull]), when the server gives no
// answer for the publisher's Patience ([ErrUnreachable]), and when ctx is done;
// what is on its way is awaited then. What a lost connection or a server that
// went away has left open is read back and published again, so that no task is
// lost or stored twice.
func (p *Publisher) Bulk(ctx context.Context, o BulkOptions, items iter.Seq[BulkTask]) (BulkReport, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	b := &bulk{publisher: p, outcome: o.Outcome, stop: stop, seed: maphash.MakeSeed(), large: make(chan struct{}, maxLarge)}
	lanes := make([]*lane, min(max(cmp.Or(o.Lanes, 1), 1), maxLanes))
	for i := range lanes {
		lane, err := newLane(b)
		if err != nil {
			return BulkReport{}, fmt.Errorf("begin a bulk: %w", err)
		}
		defer lane.leave()
		lanes[i] = lane
	}
	started := time.Now()
	var running sync.WaitGroup
	for _, lane := range lanes {
		running.Go(func() { lane.run(ctx) })
	}
	b.feed(ctx, lanes, items)
	running.Wait()
	b.report.Took = time.Since(started)
	return b.report, context.Cause(ctx)
}

// A bulk is what the lanes of one share.
type bulk struct {
	publisher *Publisher
	outcome   func(BulkOutcome)
	stop      context.CancelCauseFunc
	seed      maphash.Seed
	large     chan struct{} // has an element for each large task that was read

	mu     sync.Mutex
	report BulkReport
}

// Feed spreads the tasks over the lanes. Those of one id share a lane, so that
// of two the earlier one is published first.
func (b *bulk) feed(ctx context.Context, lanes []*lane, items iter.Seq[BulkTask]) {
	defer func() {
		for _, lane := range lanes {
			close(lane.in)
		}
	}()
	turn := 0
	for item := range items {
		turn++
		at := turn
		if item.Task.ID != "" {
			at = int(maphash.String(b.seed, item.Task.ID) >> 1)
		}
		if isLarge(item) {
			b.large <- struct{}{} // the lanes give it back, whatever happens
		}
		lanes[at%len(lanes)].in <- item
		if ctx.Err() != nil {
			return
		}
	}
}

// MaxLarge is how many tasks whose payload becomes a blob are held at a time.
const maxLarge = 4

func isLarge(item BulkTask) bool { return len(item.Task.Payload) > MaxInline }

// Tell counts an outcome and passes it on. False: its error would meet every
// other task too, and ends the bulk.
func (b *bulk) tell(o BulkOutcome) bool {
	b.mu.Lock()
	on := b.report.count(o.Err)
	b.mu.Unlock()
	if !on {
		b.stop(o.Err)
	}
	if b.outcome != nil {
		b.outcome(o)
	}
	return on
}

func (r *BulkReport) count(err error) bool {
	if err == nil {
		r.Stored++
		return true
	}
	var invalid *tasks.InvalidError
	switch {
	case errors.Is(err, ErrWaiting):
		r.Waiting++
	case errors.As(err, &invalid):
		r.Invalid++
	case errors.Is(err, ErrNotTried):
		r.Skipped++
	default:
		r.Failed++
		return false
	}
	return true
}
