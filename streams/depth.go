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
	return d.reserve(ctx, c, q, limit, 1)
}

// CheckAll is check for tasks that are stored together: when one queue has no
// room for its share, none is counted.
func (d *depths) checkAll(ctx context.Context, c *Client, shares map[tasks.Queue]int, limit int) error {
	reserved := map[tasks.Queue]int{}
	for q, n := range shares {
		if err := d.reserve(ctx, c, q, limit, n); err != nil {
			d.release(reserved)
			return err
		}
		reserved[q] = n
	}
	return nil
}

// Release takes back what checkAll has counted.
func (d *depths) release(shares map[tasks.Queue]int) {
	for q, n := range shares {
		d.of(q).waiting.Add(-int64(n))
	}
}

func (d *depths) of(q tasks.Queue) *depth {
	found, ok := d.queues.Load(q)
	if !ok {
		found, _ = d.queues.LoadOrStore(q, &depth{})
	}
	return found.(*depth)
}

func (d *depths) reserve(ctx context.Context, c *Client, q tasks.Queue, limit, n int) error {
	if limit < 0 {
		return nil
	}
	known := d.of(q)
	if time.Now().UnixNano()-known.asked.Load() > int64(depthAge) && known.refresh.TryLock() {
		known.ask(ctx, c, q)
		known.refresh.Unlock()
	}
	if known.waiting.Add(int64(n)) > int64(limit) {
		return fmt.Errorf("%d tasks wait in %s: %w", known.waiting.Add(-int64(n)), q, ErrFull)
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
