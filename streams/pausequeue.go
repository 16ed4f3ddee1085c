package streams

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// FarAhead is until when a consumer is paused whose pause has no end.
const farAhead = 100 * 365 * day

// PausedUntil returns until when the pauses stop a queue; zero for not at all.
func pausedUntil(pauses []Pause, q tasks.Queue, now time.Time) time.Time {
	p := covering(pauses, q)
	switch {
	case p == nil:
		return time.Time{}
	case p.Until == nil:
		return now.Add(farAhead)
	default:
		return *p.Until
	}
}

// Covering returns the pause of a queue that lasts longest, nil for none.
func covering(pauses []Pause, q tasks.Queue) *Pause {
	var found *Pause
	for i, p := range pauses {
		if !p.covers(q) || !p.lasts(time.Now()) {
			continue
		}
		if found == nil || (found.Until != nil && (p.Until == nil || p.Until.After(*found.Until))) {
			found = &pauses[i]
		}
	}
	return found
}

// Repause makes the consumers of the queues that t covers what the control bucket
// says of them. A queue without a consumer is paused when it gets one.
func (c *Client) repause(ctx context.Context, t PauseTarget) error {
	if t.Type != "" {
		return nil
	}
	pauses, err := c.Pauses(ctx)
	if err != nil {
		return err
	}
	consumers, err := c.consumers(ctx)
	if err != nil {
		return err
	}
	for q := range consumers {
		if !t.covers(q) {
			continue
		}
		if err := c.pauseConsumer(ctx, q, pausedUntil(pauses, q, time.Now())); err != nil {
			return err
		}
	}
	return nil
}

// PauseConsumer stops a consumer until a time; zero lets it deliver.
func (c *Client) pauseConsumer(ctx context.Context, q tasks.Queue, until time.Time) error {
	var err error
	if until.IsZero() {
		_, err = c.js.ResumeConsumer(ctx, c.ns.Stream("TASKS"), q.String())
	} else {
		_, err = c.js.PauseConsumer(ctx, c.ns.Stream("TASKS"), q.String(), until)
	}
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil // whoever makes it anew pauses it
	}
	return wrap("set the pause of", "consumer "+q.String(), err)
}

// EnsureQueue makes a queue's consumer, or makes it right.
func (c *Client) ensureQueue(ctx context.Context, t Topology, q tasks.Queue, pauses []Pause) error {
	s, err := c.planQueue(ctx, t, q, pauses)
	if err != nil {
		return err
	}
	return c.takeConsumer(ctx, s)
}

// PlanQueue plans a queue's consumer: paused from its first moment where the
// control bucket says so. A pause that nobody stored, such as one set with the
// nats command, is left as it is.
func (c *Client) planQueue(ctx context.Context, t Topology, q tasks.Queue, pauses []Pause) (step, error) {
	want := t.consumer(c.ns, q)
	until := pausedUntil(pauses, q, time.Now())
	if !until.IsZero() {
		want.PauseUntil = &until
	}
	s, err := c.planConsumer(ctx, "TASKS", want)
	if err != nil || until.IsZero() || s.Action == Created || s.Action == Impossible {
		return s, err
	}
	consumer, err := c.js.Consumer(ctx, c.ns.Stream("TASKS"), q.String())
	if err != nil || consumer.CachedInfo().Paused {
		return s, err
	}
	first := s.do
	s.Action, s.Fields = Updated, append(s.Fields, "PauseUntil: none → "+until.UTC().Format(time.RFC3339))
	s.do = func(ctx context.Context) error {
		if first != nil {
			if err := first(ctx); err != nil {
				return err
			}
		}
		return c.pauseConsumer(ctx, q, until)
	}
	return s, nil
}
