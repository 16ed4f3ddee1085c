package streams

import (
	"context"
	"errors"
	"time"

	"sparkle/tasks"
)

// A claim is a message of TASKS that somebody answers for: the holder of its
// lease, or the mover.
type claim struct {
	envelope
	sequence uint64
	number   int  // of this delivery of the message, from 1
	returned int  // deliveries of the message that were handed back
	alone    int  // leases that it lost while it ran as a suspect
	gaveUp   bool // the server delivers it no more: this delivery is lost too
	ready    time.Time
}

func (l *claim) lost() int {
	lost := l.number - 1 - l.returned
	if l.gaveUp {
		lost++
	}
	return max(lost, 0)
}

func (l *claim) event(o *tasks.Outcome) Event {
	e := Event{
		Type: l.Type, ID: l.ID, Run: l.run, State: o.State, Attempt: l.attempt,
		Priority: l.Priority, Pool: l.Pool, User: l.User, Lineage: l.lineage,
		Sequence: l.sequence, Delivery: l.number, Returned: l.returned, Lost: l.lost(),
		Worker: o.Worker, Ready: l.ready, Started: o.Started, Ended: o.Ended, At: o.At, Reason: o.Reason, By: o.By,
		Detail: Detail{Error: o.Error, Stack: o.Stack, Note: o.Note}, Result: o.Result,
	}
	if o.State == tasks.Returned {
		e.Returned++
	}
	return e
}

// A course is what is to be done with a claimed message.
type course int

const (
	runIt    course = iota // nothing speaks against running it
	finishIt               // its outcome is stored, what follows may not be
	dropIt                 // settled, or gone on elsewhere
)

// Judge decides by what is stored what is to be done with a message that was
// delivered or tried before. The event is the run's last, if it has one.
func (c *Client) judge(ctx context.Context, l claim) (course, Event, error) {
	event, err := c.lastEvent(ctx, c.ns.Event(l.Type, l.ID), l.run)
	if err != nil && !errors.Is(err, errNoMessage) {
		return runIt, event, err
	}
	same := event.Sequence == l.sequence
	switch {
	case event.State == tasks.Dead && same:
		return finishIt, event, nil
	case event.State.Terminal(), event.Attempt > l.attempt:
		return dropIt, event, nil
	case same && (event.State == tasks.Retrying || event.State == tasks.Scheduled || event.State == tasks.Parked):
		return finishIt, event, nil
	}
	// The retry of this very attempt, whose worker died before its ack.
	last, err := c.leaderLast(ctx, "TASKS", c.ns.Anywhere(l.ID))
	if errors.Is(err, errNoMessage) {
		return runIt, event, nil
	}
	if err != nil {
		return runIt, event, err
	}
	if found, openErr := c.ns.open(last); openErr == nil && last.sequence > l.sequence && found.run == l.run {
		return dropIt, event, nil
	}
	return runIt, event, nil
}

// Finish repeats the steps after a stored outcome; all of them bear repetition.
func (c *Client) finish(ctx context.Context, l claim, last Event) error {
	l.number, l.returned = last.Delivery, last.Returned // as the outcome was told
	l.gaveUp = last.Lost > l.lost()
	return c.follow(ctx, l, tasks.Outcome{
		State: last.State, Reason: last.Reason, Error: last.Detail.Error, Stack: last.Detail.Stack,
		At: last.At, Worker: last.Worker, Started: last.Started, Ended: last.Ended,
	})
}

// Follow stores what comes after the outcome: the retry or the dead letter.
func (c *Client) follow(ctx context.Context, l claim, o tasks.Outcome) error {
	switch o.State {
	case tasks.Retrying, tasks.Scheduled, tasks.Parked:
		return c.postpone(ctx, l, o)
	case tasks.Dead:
		return c.bury(ctx, l, o)
	default:
		return nil
	}
}

// Postpone publishes the next try as a schedule, fenced: it is refused when any
// message of the id came after the one held, so of two workers that both think
// they hold the task only one goes on with it.
func (c *Client) postpone(ctx context.Context, l claim, o tasks.Outcome) error {
	next := l.envelope
	next.attempt = o.NextAttempt(l.attempt)
	next.parked = ""
	if o.State == tasks.Parked {
		next.parked = o.Reason
	}
	err := c.retry(ctx, func() error {
		m := next.schedule(c.ns, o.At)
		guard(c.ns, m, l.ID, l.sequence)
		return c.publish(ctx, m)
	})
	if !refused(err) {
		return err
	}
	return c.outrun(ctx, l, o)
}

// Outrun finds out why the fence held. Where this run goes on elsewhere, or has
// been settled, nothing is left to do. Where a copy of the id with another run
// stands (published without a guard), this run cannot go on beside it and
// becomes a dead letter, so that nothing is lost.
func (c *Client) outrun(ctx context.Context, l claim, o tasks.Outcome) error {
	last, err := c.leaderLast(ctx, "TASKS", c.ns.Anywhere(l.ID))
	if errors.Is(err, errNoMessage) {
		return nil
	}
	if err != nil {
		return err
	}
	if found, openErr := c.ns.open(last); openErr == nil && found.run == l.run {
		return nil
	}
	// A run that was cancelled meanwhile does not die of it.
	event, err := c.lastEvent(ctx, c.ns.Event(l.Type, l.ID), l.run)
	if err == nil && event.State.Terminal() {
		return nil
	}
	if err != nil && !errors.Is(err, errNoMessage) {
		return err
	}
	o.State, o.Reason, o.At = tasks.Dead, tasks.ReasonSuperseded, time.Time{}
	if err := c.append(ctx, l.event(&o)); err != nil {
		return err
	}
	return c.bury(ctx, l, o)
}
