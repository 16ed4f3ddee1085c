package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// Bury stores a dead letter and bears repetition: a letter of the same run and
// attempt that is there already is this one.
func (c *Client) bury(ctx context.Context, l claim, o tasks.Outcome) error {
	history, err := c.history(ctx, l.envelope)
	if err != nil {
		return err
	}
	m := l.message(c.ns)
	withHeader(m)
	m.Subject = c.ns.Dead(l.Task)
	m.Header.Set(HeaderAttempt, strconv.Itoa(l.attempt))
	m.Header.Set(HeaderRun, l.run)
	if lost := l.lost(); lost > 0 {
		m.Header.Set(HeaderLost, strconv.Itoa(lost))
	}
	m.Header.Set(HeaderReason, string(o.Reason))
	m.Header.Set(HeaderError, oneLine(o.Error))
	m.Header.Set(HeaderSequence, strconv.FormatUint(l.sequence, 10))
	m.Header.Set(HeaderHistory, history)
	expected := uint64(0)
	for {
		m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(expected, 10))
		err := c.retry(ctx, func() error {
			return c.publish(ctx, m)
		})
		if !refused(err) {
			return wrap("bury", l.ID, err)
		}
		last, err := c.leaderLast(ctx, "DEAD", m.Subject)
		switch {
		case errors.Is(err, errNoMessage):
			expected = 0
		case err != nil:
			return wrap("bury", l.ID, err)
		case header(last.header, HeaderRun) == l.run && header(last.header, HeaderAttempt) == strconv.Itoa(l.attempt):
			return nil
		default:
			expected = last.sequence
		}
	}
}

// OneLine makes an error fit a header.
func oneLine(text string) string {
	const most = 1 << 10
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strings.Join(strings.Fields(text), " ")
}

// A DeadLetter is a task that was given up.
type DeadLetter struct {
	Sequence uint64          `json:"sequence"`
	ID       string          `json:"id"`
	Run      string          `json:"run"`
	Type     string          `json:"type"`
	Priority tasks.Priority  `json:"priority"`
	Pool     string          `json:"pool"`
	User     string          `json:"user,omitempty"`
	Reason   tasks.Reason    `json:"reason"`
	Error    string          `json:"error"`
	Attempt  int             `json:"attempt"`
	Lost     int             `json:"lost,omitempty"` // leases of that attempt that were neither settled nor handed back
	Died     time.Time       `json:"died"`
	Payload  json.RawMessage `json:"payload,omitempty"`
	Attempts []Attempt       `json:"attempts"`
}

func (c *Client) parseDead(s stored) DeadLetter {
	e, _ := c.ns.open(s)
	d := DeadLetter{
		Sequence: s.sequence, ID: e.ID, Run: e.run, Type: e.Type, Priority: e.Priority, Pool: e.Pool, User: e.User,
		Reason: tasks.Reason(header(s.header, HeaderReason)), Error: header(s.header, HeaderError),
		Attempt: e.attempt, Lost: number(s.header, HeaderLost), Died: s.time, Attempts: []Attempt{},
	}
	if json.Valid(s.data) {
		d.Payload = s.data
	} else { // it died of that
		d.Payload, _ = json.Marshal(string(s.data))
	}
	_ = json.Unmarshal([]byte(header(s.header, HeaderHistory)), &d.Attempts)
	return d
}

// DeadLetters calls fn for the dead letters, oldest first, until it returns
// false. An empty id means all.
func (c *Client) DeadLetters(ctx context.Context, id string, fn func(DeadLetter) bool) error {
	if id == "" {
		id = "*"
	} else if !tasks.ValidName(id) {
		return fmt.Errorf("dead letters of %q: not a task's id", id)
	}
	return c.each(ctx, "DEAD", c.ns.subject("dead", "*", "*", "*", id), func(s stored) bool { return fn(c.parseDead(s)) })
}
