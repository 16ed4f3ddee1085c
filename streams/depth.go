package streams

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// Depths knows how many tasks wait in each queue: the consumer's count, at most
// a second old, and what this publisher has added since. A stream with message
// schedules cannot refuse by a limit of its own.
type depths struct{ queues sync.Map } // tasks.Queue → *depth

type depth struct {
	refresh sync.Mutex
	asked   atomic.Int64 // unix nanoseconds
	waiting atomic.Int64
}

const depthAge = time.Second

// Check answers ErrFull when limit tasks wait in q, and else counts one more.
// When the server does not tell, it lets the task pass.
func (d *depths) check(ctx context.Context, c *Client, q tasks.Queue, limit int) error {
	if limit < 0 {
		return nil
	}
	found, ok := d.queues.Load(q)
	if !ok {
		found, _ = d.queues.LoadOrStore(q, &depth{})
	}
	known := found.(*depth)
	if time.Now().UnixNano()-known.asked.Load() > int64(depthAge) && known.refresh.TryLock() {
		known.ask(ctx, c, q)
		known.refresh.Unlock()
	}
	if known.waiting.Add(1) > int64(limit) {
		known.waiting.Add(-1)
		return fmt.Errorf("%d tasks wait in %s: %w", known.waiting.Load(), q, ErrFull)
	}
	return nil
}

func (d *depth) ask(ctx context.Context, c *Client, q tasks.Queue) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	consumer, err := c.js.Consumer(ctx, c.ns.Stream("TASKS"), q.String())
	if err == nil {
		d.waiting.Store(int64(consumer.CachedInfo().NumPending))
	}
	if err == nil || errors.Is(err, jetstream.ErrConsumerNotFound) {
		d.asked.Store(time.Now().UnixNano())
	}
}
