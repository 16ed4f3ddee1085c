package streams

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

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
// it. Of an ended run that is mostly the subject's last; but a later run of the
// id may have events of its own, and a worker that was cut off may tell its part
// after another has ended the run: a terminal event ends a run, whatever comes
// later.
func (c *Client) lastEvent(ctx context.Context, subject, run string) (Event, error) {
	last, err := c.leaderLast(ctx, "EVENTS", subject)
	if err != nil {
		return Event{}, err
	}
	event := parseEvent(last)
	if event.Run == run && event.State.Terminal() {
		return event, nil
	}
	events, err := c.events(ctx, subject)
	if err != nil {
		return Event{}, err
	}
	// The list may be a replica's; what the leader said comes last.
	found := Event{}
	for _, e := range append(events, event) {
		if e.Run == run && !found.State.Terminal() {
			found = e
		}
	}
	if found.Run != run {
		return Event{}, errNoMessage
	}
	return found, nil
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
	for _, e := range events {
		if e.Run != run || e.Sequence == 0 {
			continue
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
