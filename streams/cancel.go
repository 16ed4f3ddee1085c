package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// A Cancelled says what Cancel did.
type Cancelled struct {
	ID   string `json:"id"`
	Run  string `json:"run"`
	Type string `json:"type"`
	// Worker that had the task, if one did: running, or leased ahead.
	Worker string `json:"worker,omitempty"`
	// Again says that the run had been cancelled before.
	Again bool `json:"again,omitempty"`
}

// Cancel ends a run wherever it stands. A task that waits, or is scheduled,
// retrying, parked or held, is gone when it returns, with no worker up. The
// handler of a running one has its context cancelled with [tasks.ErrCancelled]
// and is neither retried nor buried; the id is free once it has returned.
//
// The first terminal event of a run wins: Cancel answers [tasks.ErrEnded], as a
// [*tasks.EndedError], for a run that ended otherwise, [ErrNotFound] for one that
// is not known, and a [*tasks.InvalidError] for options that cannot be stored.
// Cancelling a run again is no error and finishes what was begun.
func (c *Client) Cancel(ctx context.Context, id string, o tasks.CancelOptions) (Cancelled, error) {
	if !tasks.ValidName(id) {
		return Cancelled{}, fmt.Errorf("cancel %q: not a task's id", id)
	}
	t, err := c.findRun(ctx, id, o)
	if err != nil {
		return Cancelled{}, wrap("cancel", id, err)
	}
	if err := c.cancel(ctx, []*doomed{t}, o); err != nil {
		return Cancelled{}, wrap("cancel", id, err)
	}
	if t.ended != nil {
		return Cancelled{}, wrap("cancel", id, t.ended)
	}
	return Cancelled{ID: id, Run: t.run, Type: t.Type, Worker: t.holder.worker, Again: t.again}, nil
}

// A doomed is a run that is to be cancelled, and what came of it.
type doomed struct {
	envelope
	messages []stored // of this run, as far as they were found
	last     uint64   // sequence of its subject's last event; 0 for none
	ended    error    // it had ended otherwise
	again    bool     // it had been cancelled before
	holder   holder   // who had it; zero for nobody
}

func (t *doomed) key() cancelled { return cancelled{t.ID, t.run} }

// FindRun looks up the run that is meant: its messages, or else its last event.
func (c *Client) findRun(ctx context.Context, id string, o tasks.CancelOptions) (*doomed, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	found, err := c.standing(ctx, c.ns.Anywhere(id))
	if err != nil {
		return nil, c.missing(err)
	}
	t := &doomed{}
	living := ""
	if len(found) > 0 {
		last, _ := c.ns.open(found[len(found)-1])
		living = last.run
	}
	for _, s := range found {
		e, _ := c.ns.open(s)
		if e.run == o.Run || (o.Run == "" && e.run == living) {
			t.envelope = e
			t.messages = append(t.messages, s)
		}
	}
	if len(t.messages) > 0 {
		return t, nil
	}
	return c.findEnded(ctx, id, o.Run, living)
}

// Standing returns the messages of subject, in order, as the leader has them.
func (c *Client) standing(ctx context.Context, subject string) ([]stored, error) {
	var found []stored
	for next := uint64(1); ; next = found[len(found)-1].sequence + 1 {
		s, err := c.leaderNext(ctx, "TASKS", subject, next)
		if errors.Is(err, errNoMessage) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
		found = append(found, s)
	}
}

// FindEnded takes from its events a run that has no message. One that has not
// ended lost its message to somebody else, and those who wait for it are told by
// the cancellation.
func (c *Client) findEnded(ctx context.Context, id, run, living string) (*doomed, error) {
	subject := c.ns.Event("*", id)
	last, err := c.leaderLast(ctx, "EVENTS", subject)
	if errors.Is(err, errNoMessage) {
		return nil, notFound(run, living)
	}
	if err != nil {
		return nil, err
	}
	if run == "" {
		run = runOf(last)
	}
	event, err := c.lastOf(ctx, subject, run, last)
	if errors.Is(err, errNoMessage) {
		return nil, notFound(run, living)
	}
	return &doomed{envelope: envelope{
		Task: tasks.Task{ID: id, Type: event.Type, Priority: event.Priority, Pool: event.Pool, User: event.User},
		run:  event.Run, attempt: event.Attempt,
	}}, err
}

func notFound(run, living string) error {
	if living == "" {
		return ErrNotFound
	}
	return fmt.Errorf("run %s: %w: the id has run %s now", run, ErrNotFound, living)
}

// Cancel takes at most maxRuns through the steps, each of which bears repetition.
// The announcement comes first: from then on workers drop what they are delivered
// of the runs and end them by themselves, should this process die.
func (c *Client) cancel(ctx context.Context, list []*doomed, o tasks.CancelOptions) error {
	ctx, stop := context.WithTimeout(ctx, cancelTry)
	defer stop()
	if err := together(list, func(t *doomed) error { return c.foresee(ctx, t) }); err != nil {
		return err
	}
	list = slices.DeleteFunc(slices.Clone(list), func(t *doomed) bool { return t.ended != nil })
	if len(list) == 0 {
		return nil
	}
	body, err := encodeCancellation(list, o)
	if err != nil {
		return err
	}
	if err := c.step("announce"); err != nil {
		return err
	}
	if err := c.announce(ctx, body); err != nil {
		return wrap("announce", "the cancellation", err)
	}
	if err := c.step("event"); err != nil {
		return err
	}
	if err := together(list, func(t *doomed) error { return c.endRun(ctx, t, o) }); err != nil {
		return err
	}
	return c.clear(ctx, list, body)
}

func encodeCancellation(list []*doomed, o tasks.CancelOptions) ([]byte, error) {
	told := cancellation{By: o.By, Reason: o.Reason, Runs: make([]cancelled, len(list))}
	for i, t := range list {
		told.Runs[i] = t.key()
	}
	return json.Marshal(told)
}

// Foresee notes how the run has ended if it has, before it is cancelled.
func (c *Client) foresee(ctx context.Context, t *doomed) error {
	return c.retry(ctx, func() error {
		state, err := c.endOf(ctx, t)
		t.again = state == tasks.Cancelled
		return err
	})
}

// EndRun stores the event that ends a run, unless it has ended. The server
// decides: the event expects the last one that was read.
func (c *Client) endRun(ctx context.Context, t *doomed, o tasks.CancelOptions) error {
	if t.again {
		return nil
	}
	event := t.event(o)
	m, err := event.message(c.ns)
	if err != nil {
		return err
	}
	for state := tasks.State(""); state == ""; {
		m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(t.last, 10))
		err := c.retry(ctx, func() error { return c.publish(ctx, m) })
		if !refused(err) {
			return wrap("store the end of", t.ID, err)
		}
		// Its worker may have told the same, or this event's answer was lost.
		err = c.retry(ctx, func() (err error) {
			state, err = c.endOf(ctx, t)
			return err
		})
		if err != nil {
			return wrap("look up", t.ID, err)
		}
	}
	return nil
}

// EndOf returns the state that has ended the run, if any, and notes it where it
// is no cancellation, and the last event of the run's subject. Where that is a
// running attempt's, or a cancellation, it is believed without reading those
// before it: of thousands of runs that costs too much, and a late report of an
// ended run only makes for one more event, which readers ignore.
func (c *Client) endOf(ctx context.Context, t *doomed) (tasks.State, error) {
	subject := c.ns.Event(t.Type, t.ID)
	last, err := c.leaderLast(ctx, "EVENTS", subject)
	if errors.Is(err, errNoMessage) {
		t.last = 0
		return "", nil
	}
	if err != nil {
		return "", err
	}
	t.last = last.sequence
	event := parseEvent(last)
	if event.Run != t.run || (event.State.Terminal() && event.State != tasks.Cancelled) {
		event, err = c.lastOf(ctx, subject, t.run, last)
	}
	switch {
	case errors.Is(err, errNoMessage) || err == nil && !event.State.Terminal():
		return "", nil
	case err == nil && event.State != tasks.Cancelled:
		t.ended = &tasks.EndedError{ID: t.ID, Run: t.run, State: event.State}
	}
	return event.State, err
}

func (t *doomed) event(o tasks.CancelOptions) Event {
	e := Event{
		Type: t.Type, ID: t.ID, Run: t.run, State: tasks.Cancelled, Attempt: t.attempt,
		Priority: t.Priority, Pool: t.Pool, User: t.User, By: o.By, Detail: Detail{Note: o.Reason},
	}
	if n := len(t.messages); n > 0 {
		e.Sequence, e.Ready = t.messages[n-1].sequence, t.messages[n-1].time
	}
	return e
}

// Cancels reports that e was stored by who cancelled the run, not by a worker.
func (e Event) cancels() bool { return e.State == tasks.Cancelled && e.Worker == "" }

// Step is where tests let a process die.
func (c *Client) step(name string) error {
	if c.fault == nil {
		return nil
	}
	return c.fault(name)
}
