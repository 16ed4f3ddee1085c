package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"sparkle/tasks"
)

// ErrNotFound says that nothing is known of a task: it never was, or its events
// are older than they are kept.
var ErrNotFound = tasks.ErrNotFound

// A Result is how a run ended.
type Result struct {
	ID      string          `json:"id"`
	Run     string          `json:"run"`
	Type    string          `json:"type"`
	State   tasks.State     `json:"state"`
	Attempt int             `json:"attempt"`
	Result  json.RawMessage `json:"result,omitempty"`
	Reason  tasks.Reason    `json:"reason,omitempty"`
	Error   string          `json:"error,omitempty"`
	By      string          `json:"by,omitempty"`   // who cancelled it
	Note    string          `json:"note,omitempty"` // why it was cancelled
	Took    time.Duration   `json:"took_ns"`
}

// A FailedError is the answer of Await for a run that did not succeed.
type FailedError struct{ Result }

func (e *FailedError) Error() string {
	text := fmt.Sprintf("task %s is %s", e.ID, e.State)
	if e.Reason != "" {
		text += " (" + string(e.Reason) + ")"
	}
	if e.By != "" {
		text += " by " + e.By
	}
	if e.Note != "" {
		text += ": " + e.Note
	}
	if e.Result.Error != "" {
		text += ": " + e.Result.Error
	}
	return text
}

// An event passes listeners before it is stored, or is refused: one that was
// heard, or passed before we listened, may still be missing when it is read, so it
// is read again soon.
const (
	firstCheck = 250 * time.Microsecond
	awaitCheck = 5 * time.Second
)

// Await waits until a task has ended and returns its result; a run that did not
// succeed is a [*FailedError]. An empty run means the one that the id has now.
// It does not poll: it listens to the task's events, and reads what is stored when
// it hears of the end; also a few times at the beginning, after a reconnect, and
// each 5 s, in case it missed that.
// It answers [ErrNotFound] when nothing is known of the id.
func (c *Client) Await(ctx context.Context, id, run string) (Result, error) {
	if !tasks.ValidName(id) {
		return Result{}, fmt.Errorf("await %q: not a task's id", id)
	}
	heard := make(chan *nats.Msg, 16)
	sub, err := c.nc.ChanSubscribe(c.ns.Event("*", id), heard)
	if err != nil {
		return Result{}, wrap("await", id, err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is gone
	if run == "" {
		if run, err = c.currentRun(ctx, id); err != nil {
			return Result{}, wrap("await", id, err)
		}
	}
	return c.await(ctx, id, run, heard)
}

func (c *Client) await(ctx context.Context, id, run string, heard <-chan *nats.Msg) (Result, error) {
	reconnected := c.nc.StatusChanged(nats.CONNECTED)
	defer c.nc.RemoveStatusListener(reconnected)
	check := time.NewTimer(0)
	defer check.Stop()
	for wait := firstCheck; ; {
		select {
		case <-ctx.Done():
			return Result{}, fmt.Errorf("await %s: %w", id, ctx.Err())
		case m := <-heard:
			e := parseEvent(stored{subject: m.Subject, header: m.Header, data: m.Data})
			if e.Run != run || !e.State.Terminal() {
				continue
			}
			wait = firstCheck // it passed by, and is not yet an outcome
		case <-check.C:
		case <-reconnected:
		}
		if last, err := c.lastEvent(ctx, c.ns.Event("*", id), run); err == nil && last.State.Terminal() {
			return c.result(ctx, last)
		}
		check.Reset(wait)
		wait = min(4*wait, awaitCheck)
	}
}

// CurrentRun is that of the task that has the id now, else of its last event.
func (c *Client) currentRun(ctx context.Context, id string) (string, error) {
	last, err := c.leaderLast(ctx, "TASKS", c.ns.Anywhere(id))
	if err == nil {
		e, _ := c.ns.open(last)
		return e.run, nil
	}
	if !errors.Is(err, errNoMessage) {
		return "", err
	}
	last, err = c.leaderLast(ctx, "EVENTS", c.ns.Event("*", id))
	if errors.Is(err, errNoMessage) {
		return "", ErrNotFound
	}
	return runOf(last), err
}

// Result tells how a run ended, with its result wherever that is.
func (c *Client) result(ctx context.Context, e Event) (Result, error) {
	r, err := e.result()
	if err != nil {
		return r, err
	}
	problem, err := c.loadInto(ctx, e.Body, &r.Result)
	if err == nil && problem != "" {
		err = &UnreadableError{problem}
	}
	return r, wrap("load the result of", "task "+e.ID, err)
}

func (e Event) result() (Result, error) {
	r := Result{
		ID: e.ID, Run: e.Run, Type: e.Type, State: e.State, Attempt: e.Attempt,
		Result: e.Result, Reason: e.Reason, Error: e.Detail.Error, By: e.By,
	}
	if e.State == tasks.Cancelled {
		r.Note = e.Detail.Note
	}
	if !e.Started.IsZero() && !e.Ended.IsZero() {
		r.Took = e.Ended.Sub(e.Started)
	}
	if e.State != tasks.Succeeded {
		return r, &FailedError{r}
	}
	return r, nil
}
