package dashboard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sparkle/streams"
	"sparkle/tasks"
)

// Pulls tells whether a worker still takes tasks. Its fields are needed.
type Pulls struct {
	// Last is when the server last answered a pull; zero when it never did.
	Last func() time.Time
	// Worker is what the worker does now.
	Worker func() tasks.WorkerStats
	// Queues are the queues of the namespace.
	Queues func(context.Context) ([]streams.QueueInfo, error)
}

// PullsSilent is how long the server may be silent while work waits. A pull is
// answered each second, if only by a heartbeat.
const pullsSilent = 15 * time.Second

// Check reports that pulls have stopped while work waits that this worker could
// start. A worker whose slots are all taken, that holds tasks ahead, or that was
// drained, has no reason to pull; a paused queue gives none.
func (p Pulls) Check(ctx context.Context) error {
	last := p.Last()
	if last.IsZero() {
		return errors.New("no pull was answered yet")
	}
	silent := time.Since(last)
	stats := p.Worker()
	if stats.Draining || silent <= pullsSilent || len(stats.Running) >= stats.Slots || stats.Leased > len(stats.Running) {
		return nil
	}
	queues, err := p.Queues(ctx)
	if err != nil {
		return fmt.Errorf("no pull was answered for %v, and the queues cannot be read: %w", silent.Round(time.Second), err)
	}
	for _, q := range queues {
		name := tasks.Queue{Priority: q.Priority, Pool: q.Pool}.String()
		if q.Waiting > 0 && !q.Paused && slices.Contains(stats.Queues, name) {
			return fmt.Errorf("no pull was answered for %v while %d tasks wait in %s", silent.Round(time.Second), q.Waiting, name)
		}
	}
	return nil
}
