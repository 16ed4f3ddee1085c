// Package reminders has the task type that docs/add-a-task.md adds.
package reminders

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sparkle/tasks"
)

// A Reminder is the payload of [Send].
type Reminder struct {
	Course   string   `json:"course"`
	Text     string   `json:"text"`
	Learners []string `json:"learners"`
}

// Validate checks what the schema cannot say.
func (r Reminder) Validate() error {
	if n := len(r.Learners); n < 1 || n > 1_000 {
		return &tasks.InvalidError{Field: "learners", Want: fmt.Sprintf("want 1 to 1000, got %d", n)}
	}
	return nil
}

// Sent is the result of [Send].
type Sent struct {
	Count int `json:"count"`
}

// Send is the type of send_reminder.
var Send = tasks.Type[Reminder, Sent]{
	Name:     "send_reminder",
	Priority: tasks.High,
	Pool:     "mail",
	Timeout:  2 * time.Minute,
	Retry:    tasks.Retry{Attempts: 4, Base: 5 * time.Second, Cap: 5 * time.Minute},
}

// A Gateway sends a text to a learner. It sends once for one key, however often
// it is asked.
type Gateway interface {
	Send(ctx context.Context, key, learner, text string) error
}

// Errors of a [Gateway].
var (
	ErrBlocked = errors.New("sender is blocked")
	ErrNight   = errors.New("nothing is sent at night")
)

// A BusyError asks for a pause.
type BusyError struct{ Pause time.Duration }

func (e *BusyError) Error() string { return fmt.Sprintf("gateway is busy for %v", e.Pause) }

// Register adds the handler of [Send] to r.
func Register(r *tasks.Registry, g Gateway) {
	tasks.Handle(r, Send, func(ctx context.Context, in Reminder) (Sent, error) {
		return send(ctx, g, tasks.Current(ctx).Run, in)
	})
}

func send(ctx context.Context, g Gateway, run string, in Reminder) (Sent, error) {
	for i, learner := range in.Learners {
		if err := g.Send(ctx, run+"/"+learner, learner, in.Text); err != nil {
			return Sent{}, answer(err)
		}
		done := i + 1
		tasks.Progress(ctx, float64(done)/float64(len(in.Learners)), fmt.Sprintf("%d of %d", done, len(in.Learners)))
	}
	return Sent{Count: len(in.Learners)}, nil
}

// Answer says what is to follow from an error of the gateway.
func answer(err error) error {
	var busy *BusyError
	switch {
	case errors.Is(err, ErrBlocked):
		return tasks.Permanent(err) // no retry can mend it: a dead letter at once
	case errors.As(err, &busy):
		return tasks.RetryAfter(busy.Pause, err) // a failed attempt, the next one after this pause
	case errors.Is(err, ErrNight):
		return tasks.Snooze(time.Hour) // no attempt is spent
	default:
		return fmt.Errorf("send reminder: %w", err) // a failed attempt, the next one by the type's policy
	}
}
