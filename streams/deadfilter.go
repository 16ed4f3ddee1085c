package streams

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"sparkle/tasks"
)

// A DeadFilter selects dead letters; zero fields select all.
type DeadFilter struct {
	ID       string
	Type     string
	Pool     string
	Priority tasks.Priority
	User     string
	Reason   tasks.Reason
	// Error is looked for in the letter's error.
	Error *regexp.Regexp
	// Since and Until bound the time of death; Since is included, Until not.
	Since, Until time.Time
	// Through leaves out letters with a later sequence, such as those that came
	// after somebody looked.
	Through uint64
}

// Check reports a field that no letter can have, as an [*tasks.InvalidError].
func (f DeadFilter) Check() error {
	for _, part := range []struct{ field, name string }{{"id", f.ID}, {"type", f.Type}, {"pool", f.Pool}} {
		if part.name != "" && !tasks.ValidName(part.name) {
			return &tasks.InvalidError{Field: part.field, Want: "want 1 to 128 letters, digits, _ or -"}
		}
	}
	if f.Priority != "" && !f.Priority.Valid() {
		return &tasks.InvalidError{Field: "priority", Want: "want high, default or low"}
	}
	return nil
}

func (f DeadFilter) subject(n Namespace) string {
	const anything = "*"
	return n.subject("dead", cmp.Or(string(f.Priority), anything), cmp.Or(f.Pool, anything), cmp.Or(f.Type, anything), cmp.Or(f.ID, anything))
}

// Takes reports whether d matches what the subject does not tell.
func (f DeadFilter) takes(d DeadLetter) bool {
	return (f.User == "" || f.User == d.User) && (f.Reason == "" || f.Reason == d.Reason) &&
		(f.Error == nil || f.Error.MatchString(d.Error)) &&
		!d.Died.Before(f.Since) && (f.Until.IsZero() || d.Died.Before(f.Until))
}

// DeadLetters calls fn for the dead letters that match, oldest first, until it
// returns false. Letters that are stored after it began are left out, so fn may
// take its time, and what it does may make new ones. A page of letters is held at
// a time, however many there are.
func (c *Client) DeadLetters(ctx context.Context, f DeadFilter, fn func(DeadLetter) bool) error {
	if err := f.Check(); err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	subject := f.subject(c.ns)
	last, err := c.leaderLast(ctx, "DEAD", subject)
	if errors.Is(err, errNoMessage) {
		return nil
	}
	if err != nil {
		return wrap("look up", "the last dead letter", err)
	}
	through := last.sequence
	if f.Through > 0 {
		through = min(through, f.Through)
	}
	return c.each(ctx, "DEAD", subject, func(s stored) bool {
		if s.sequence > through {
			return false
		}
		d := c.parseDead(s)
		return !f.takes(d) || fn(d)
	})
}
