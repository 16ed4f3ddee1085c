package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sparkle/tasks"
)

// ErrNotDelayed says that a task is not scheduled, retrying or parked, so that
// there is nothing to hurry: it waits or runs already.
var ErrNotDelayed = errors.New("task is not delayed")

// Hurry makes a task due now that is scheduled, retrying or parked. The server
// fires its schedule as it would have done later. It answers [ErrNotDelayed] for
// a task that waits or runs, [tasks.ErrEnded] as a [*tasks.EndedError] for one
// that has ended, a dead one included, and [ErrNotFound].
func (c *Client) Hurry(ctx context.Context, id string) error {
	if !tasks.ValidName(id) {
		return fmt.Errorf("hurry %q: not a task's id", id)
	}
	for {
		last, err := c.leaderLast(ctx, "TASKS", c.ns.Anywhere(id))
		if errors.Is(err, errNoMessage) {
			return wrap("hurry", id, c.howEnded(ctx, id))
		}
		if err != nil {
			return wrap("hurry", id, err)
		}
		if err := c.retime(ctx, last, time.Now()); !refused(err) {
			return wrap("hurry", id, err)
		}
	}
}

func (c *Client) howEnded(ctx context.Context, id string) error {
	t, err := c.findEnded(ctx, id, "", "")
	if err != nil {
		return err
	}
	state, err := c.endOf(ctx, t)
	if err == nil && state == "" {
		err = ErrNotFound // somebody has removed its message
	}
	if err != nil {
		return err
	}
	return &tasks.EndedError{ID: id, Run: t.run, State: state}
}

// Retime publishes a schedule again, due at another time. It expects the one that
// was read, so it never brings back one that was fired or changed meanwhile; then
// the server refuses. It never publishes on the target itself, which would race
// the server's timer and could double the task.
func (c *Client) retime(ctx context.Context, s stored, at time.Time) error {
	e, err := c.ns.open(s)
	if err != nil {
		return err
	}
	if a, err := c.ns.parse(s.subject); err != nil || a.place != "later" {
		return ErrNotDelayed
	}
	m := e.schedule(c.ns, at)
	guard(c.ns, m, e.ID, s.sequence)
	return c.publish(ctx, m)
}

// HurryParked makes the tasks of a type due that were parked while it was paused,
// and returns how many.
func (c *Client) hurryParked(ctx context.Context, typ string) (int, error) {
	hurried := make(chan struct{}, readBatch)
	total := 0
	subject := c.ns.subject("tasks", "later", "*", "*", typ, "*")
	for next := uint64(1); next > 0; {
		var batch []stored
		var err error
		batch, next, err = c.batch(ctx, "TASKS", subject, next)
		if err != nil {
			return total, err
		}
		err = together(batch, func(s stored) error {
			if header(s.header, HeaderParked) != string(tasks.ReasonPaused) {
				return nil
			}
			err := c.retime(ctx, s, time.Now())
			if err == nil {
				hurried <- struct{}{}
			}
			if refused(err) {
				return nil // it was fired, hurried or cancelled meanwhile
			}
			return err
		})
		for ; len(hurried) > 0; total++ {
			<-hurried
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}
