package streams

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// Clear takes the messages of ended runs out of TASKS. What no worker was
// delivered goes at once; what one holds is left to it; what nobody answers for
// goes too, since whoever had it is gone, or finds the announcement.
func (c *Client) clear(ctx context.Context, list []*doomed, body []byte) error {
	queues := deliveries{client: c}
	var waiting []removal
	delivered := map[cancelled]bool{}
	for _, t := range list {
		if t.ended != nil {
			continue
		}
		for _, s := range t.messages {
			given, err := queues.delivered(ctx, s)
			if err != nil {
				return err
			}
			delivered[t.key()] = delivered[t.key()] || given
			if !given {
				waiting = append(waiting, removal{t, s.sequence})
			}
		}
	}
	if err := c.step("remove"); err != nil {
		return err
	}
	// One that is gone already was fired or delivered meanwhile.
	moved, err := c.removeAll(ctx, waiting)
	if err != nil {
		return err
	}
	for t := range moved {
		delivered[t.key()] = true
	}
	return c.clearDelivered(ctx, list, delivered, body)
}

// A removal is a message of a run that is to be removed.
type removal struct {
	of       *doomed
	sequence uint64
}

// RemoveAll returns the runs of which a message was not found any more.
func (c *Client) removeAll(ctx context.Context, list []removal) (map[*doomed]bool, error) {
	gone := make(chan *doomed, len(list))
	err := together(list, func(r removal) error {
		found, err := c.remove(ctx, r.sequence)
		if err == nil && !found {
			gone <- r.of
		}
		return err
	})
	close(gone)
	moved := map[*doomed]bool{}
	for t := range gone {
		moved[t] = true
	}
	return moved, err
}

// ClearDelivered asks the workers who holds what, and removes what nobody holds.
func (c *Client) clearDelivered(ctx context.Context, list []*doomed, delivered map[cancelled]bool, body []byte) error {
	var given []*doomed
	awaited := map[cancelled]bool{}
	for _, t := range list {
		if delivered[t.key()] {
			given = append(given, t)
			awaited[t.key()] = true
		}
	}
	if len(given) == 0 {
		return nil
	}
	if err := c.step("signal"); err != nil {
		return err
	}
	held, err := c.signal(ctx, body, awaited)
	if err != nil {
		return err
	}
	if err := c.step("clear"); err != nil {
		return err
	}
	return together(given, func(t *doomed) error {
		t.holder = held[t.key()]
		if t.holder.worker != "" && !t.holder.settling {
			return nil
		}
		if t.holder.settling {
			c.settled(ctx, t)
		}
		return c.uproot(ctx, t)
	})
}

// Uproot removes every message of a run, until none is left: a worker may just
// have stored its retry, or the server have fired it. A schedule becomes a ready
// message and not the other way round but by a worker, whose retry is refused
// once the message that it holds is removed; so later is read before ready.
func (c *Client) uproot(ctx context.Context, t *doomed) error {
	for {
		var left []removal
		for _, subject := range []string{c.ns.Later(t.Task), c.ns.Ready(t.Task)} {
			found, err := c.standing(ctx, subject)
			if err != nil {
				return err
			}
			for _, s := range found {
				if e, _ := c.ns.open(s); e.run == t.run {
					left = append(left, removal{t, s.sequence})
				}
			}
		}
		if len(left) == 0 {
			return nil
		}
		for _, r := range left {
			if _, err := c.remove(ctx, r.sequence); err != nil {
				return err
			}
		}
	}
}

const settledWait = 2 * time.Second

// Settled waits until the worker that was storing an outcome is done with it, or
// settledWait is over.
func (c *Client) settled(ctx context.Context, t *doomed) {
	ctx, cancel := context.WithTimeout(ctx, settledWait)
	defer cancel()
	for _, s := range t.messages {
		for ctx.Err() == nil {
			if _, err := c.leaderAt(ctx, "TASKS", s.sequence); errors.Is(err, errNoMessage) {
				break
			}
			pause(ctx, 10*time.Millisecond)
		}
	}
}

// Deliveries knows how far each queue has been delivered.
type deliveries struct {
	client *Client
	upTo   map[tasks.Queue]uint64
}

// Delivered reports whether a worker may have been given a message.
func (d *deliveries) delivered(ctx context.Context, s stored) (bool, error) {
	a, _ := d.client.ns.parse(s.subject) // nobody works on what names no task
	if a.place != "ready" {
		return false, nil
	}
	q := tasks.Queue{Priority: tasks.Priority(a.priority), Pool: a.pool}
	if _, known := d.upTo[q]; !known {
		if d.upTo == nil {
			d.upTo = map[tasks.Queue]uint64{}
		}
		consumer, err := d.client.js.Consumer(ctx, d.client.ns.Stream("TASKS"), q.String())
		switch {
		case errors.Is(err, jetstream.ErrConsumerNotFound):
			d.upTo[q] = 0
		case err != nil:
			return false, err
		default:
			d.upTo[q] = consumer.CachedInfo().Delivered.Stream
		}
	}
	return s.sequence <= d.upTo[q], nil
}
