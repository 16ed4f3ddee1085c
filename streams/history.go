package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/synadia-io/orbit.go/jetstreamext"

	"sparkle/tasks"
)

// An Attempt is what one lease of a task came to.
type Attempt struct {
	Attempt int         `json:"attempt"`
	Outcome tasks.State `json:"outcome"` // "" while it runs, "lost" when its lease was lost
	Worker  string      `json:"worker,omitempty"`
	Started *time.Time  `json:"started,omitempty"`
	Ended   *time.Time  `json:"ended,omitempty"`
	Error   string      `json:"error,omitempty"`
	Stack   string      `json:"stack,omitempty"`
}

// Lost is the outcome of an attempt that ended without a word.
const lost tasks.State = "lost"

// Events returns the stored events of a task, oldest first, of all its runs.
func (c *Client) Events(ctx context.Context, id string) ([]Event, error) {
	if !tasks.ValidName(id) {
		return nil, fmt.Errorf("events of %q: not a task's id", id)
	}
	return c.events(ctx, c.ns.Event("*", id))
}

func (c *Client) events(ctx context.Context, subject string) ([]Event, error) {
	var events []Event
	err := c.each(ctx, "EVENTS", subject, func(s stored) bool {
		events = append(events, parseEvent(s))
		return true
	})
	return events, err
}

// LastEvent returns the event that says where a run stands, as the leader has
// it: its first terminal event, or else its last. A later run of the id may have
// events of its own, and a worker may tell its part after another has ended the
// run, or somebody has cancelled it.
func (c *Client) lastEvent(ctx context.Context, subject, run string) (Event, error) {
	last, err := c.leaderLast(ctx, "EVENTS", subject)
	if err != nil {
		return Event{}, err
	}
	return c.lastOf(ctx, subject, run, last)
}

// LastOf is the same where the subject's last event was read already.
func (c *Client) lastOf(ctx context.Context, subject, run string, last stored) (Event, error) {
	event := parseEvent(last)
	if event.Run == run {
		if event.cancels() {
			return event, nil // it was stored since no other had ended the run
		}
		subject = last.subject // without a wildcard: found at once
	}
	found := Event{}
	take := func(e Event) bool {
		if e.Run == run {
			found = e
		}
		return !found.State.Terminal()
	}
	read, err := c.walk(ctx, subject, last.sequence, take)
	if err == nil && !read && !found.State.Terminal() {
		// The list may be a replica's; what the leader said comes last.
		err = c.each(ctx, "EVENTS", subject, func(s stored) bool { return take(parseEvent(s)) })
		if err == nil && !found.State.Terminal() {
			take(event)
		}
	}
	if err == nil && found.Run != run {
		err = errNoMessage
	}
	return found, err
}

const walkSteps = 8 // cost less than reading a batch

// Walk calls fn for the events of subject up to a sequence, as the leader has
// them, until fn returns false. It reports false where there are too many.
func (c *Client) walk(ctx context.Context, subject string, last uint64, fn func(Event) bool) (bool, error) {
	next := uint64(1)
	for range walkSteps {
		s, err := c.leaderNext(ctx, "EVENTS", subject, next)
		if errors.Is(err, errNoMessage) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if !fn(parseEvent(s)) || s.sequence >= last {
			return true, nil
		}
		next = s.sequence + 1
	}
	return false, nil
}

const readBatch = 500

// Each calls fn for the stored messages of subject in order, until it returns
// false.
func (c *Client) each(ctx context.Context, kind, subject string, fn func(stored) bool) error {
	for next := uint64(1); next > 0; {
		batch, after, err := c.batch(ctx, kind, subject, next)
		if err != nil {
			return err
		}
		for _, s := range batch {
			if !fn(s) {
				return nil
			}
		}
		next = after
	}
	return nil
}

// Batch returns at most readBatch stored messages of subject from a sequence on,
// and where the next batch begins, 0 for nowhere.
func (c *Client) batch(ctx context.Context, kind, subject string, from uint64) (list []stored, next uint64, err error) {
	batch, err := jetstreamext.GetBatch(ctx, c.js, c.ns.Stream(kind), readBatch,
		jetstreamext.GetBatchSubject(subject), jetstreamext.GetBatchSeq(from))
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", c.ns.Stream(kind), err)
	}
	for m, err := range batch {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			return list, 0, nil
		}
		if err != nil {
			return list, 0, fmt.Errorf("read %s: %w", c.ns.Stream(kind), err)
		}
		list = append(list, fromRaw(m))
	}
	if len(list) == readBatch {
		next = list[len(list)-1].sequence + 1
	}
	return list, next, nil
}

// Attempts tells a run's attempts from its events. A lease that was followed by
// another delivery without an outcome was lost.
func attempts(events []Event, run string) []Attempt {
	type lease struct {
		sequence uint64
		delivery int
	}
	var list []Attempt
	at := map[lease]int{}
	ended := tasks.State("")
	for _, e := range events {
		if e.Run != run || e.Sequence == 0 {
			continue
		}
		if e.State.Terminal() && ended == "" {
			ended = e.State
		}
		if e.cancels() {
			continue // told by no lease
		}
		key := lease{e.Sequence, e.Delivery}
		i, seen := at[key]
		if !seen {
			i = len(list)
			at[key] = i
			list = append(list, Attempt{Attempt: e.Attempt})
			closeLost(list[:i], e)
		}
		if list[i].Outcome != "" && list[i].Outcome != lost {
			continue // settled; a repeat of the same event
		}
		list[i].fill(e)
	}
	// Of one that a cancellation met in the middle its worker tells more, once
	// the handler has returned.
	for i := range list {
		if list[i].Outcome == "" && ended == tasks.Cancelled {
			list[i].Outcome = ended
		}
	}
	return list
}

func (a *Attempt) fill(e Event) {
	a.Worker = e.Worker
	if !e.Started.IsZero() {
		a.Started = &e.Started
	}
	if e.State == tasks.Running {
		return
	}
	a.Outcome, a.Error, a.Stack = e.State, e.Detail.Error, e.Detail.Stack
	if !e.Ended.IsZero() {
		a.Ended = &e.Ended
	}
}

func closeLost(earlier []Attempt, e Event) {
	for i := range earlier {
		if earlier[i].Outcome == "" {
			earlier[i].Outcome = lost
			earlier[i].Error = fmt.Sprintf("lease lost: delivered again as number %d", e.Delivery)
		}
	}
}

// MaxHistory bounds the history that a dead letter carries, in bytes.
const maxHistory = 64 << 10

// History returns the attempts of a run as one line of JSON, without the older
// ones where it would be too long.
func (c *Client) history(ctx context.Context, e envelope) (string, error) {
	events, err := c.events(ctx, c.ns.Event(e.Type, e.ID))
	if err != nil {
		return "", err
	}
	list := attempts(events, e.run)
	for i := range list {
		list[i].Stack = "" // the event has it
	}
	for {
		line, err := json.Marshal(list)
		if err != nil || len(line) <= maxHistory || len(list) == 1 {
			return string(line), err
		}
		list = list[len(list)/2:]
	}
}
