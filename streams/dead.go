package streams

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

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

// A DeadLetter is a task that was given up. As JSON it is what an export has and
// an import reads.
type DeadLetter struct {
	// Sequence names the letter in DEAD; an import does not keep it.
	Sequence    uint64            `json:"sequence"`
	ID          string            `json:"id"`
	Run         string            `json:"run"`
	Type        string            `json:"type"`
	Priority    tasks.Priority    `json:"priority"`
	Pool        string            `json:"pool"`
	User        string            `json:"user,omitempty"`
	Reason      tasks.Reason      `json:"reason"`
	Error       string            `json:"error"`
	Attempt     int               `json:"attempt"`
	Lost        int               `json:"lost,omitempty"` // leases of that attempt that were neither settled nor handed back
	MaxAttempts int               `json:"max_attempts,omitempty"`
	Timeout     time.Duration     `json:"timeout_ns,omitempty"`
	Expires     time.Time         `json:"expires,omitzero"`
	Headers     map[string]string `json:"headers,omitempty"` // the caller's own
	Lineage
	Died time.Time `json:"died"`
	// Payload is a JSON value. Where what was published is none, it is quoted
	// here for reading, and Raw has it as it is.
	Payload  json.RawMessage `json:"payload,omitempty"`
	Raw      []byte          `json:"payload_base64,omitempty"`
	Attempts []Attempt       `json:"attempts"`
	// Body tells how the payload is carried where it is large or not written as
	// JSON. Payload is empty then; [Client.Load] reads it.
	Body *Body `json:"payload_body,omitempty"`
}

// A Lineage says what a run was made from: the run whose dead letter was
// replayed, and who did it. Both are empty for a run that was published anew.
type Lineage struct {
	Replayed   string `json:"replayed,omitempty"`
	ReplayedBy string `json:"replayed_by,omitempty"`
}

// LoadDead fetches a payload that a letter does not carry itself: Payload has it
// then, and Body is nil. An [*UnreadableError] says why it cannot be read.
func (c *Client) LoadDead(ctx context.Context, d *DeadLetter) error {
	if d.Body == nil {
		return nil
	}
	payload, err := c.Load(ctx, d.Body)
	if err != nil {
		return err
	}
	d.setPayload(payload)
	d.Body = nil
	return nil
}

// SetPayload quotes what is no JSON.
func (d *DeadLetter) setPayload(data []byte) {
	switch {
	case len(data) == 0:
	case json.Valid(data) && utf8.Valid(data):
		d.Payload = data
	default: // it died of that
		d.Raw = data
		d.Payload, _ = json.Marshal(string(data))
	}
}

func (c *Client) parseDead(s stored) DeadLetter {
	e, _ := c.ns.open(s)
	d := DeadLetter{
		Sequence: s.sequence, ID: e.ID, Run: e.run, Type: e.Type, Priority: e.Priority, Pool: e.Pool, User: e.User,
		Reason: tasks.Reason(header(s.header, HeaderReason)), Error: header(s.header, HeaderError),
		Attempt: e.attempt, Lost: number(s.header, HeaderLost), MaxAttempts: e.MaxAttempts, Timeout: e.Timeout, Expires: e.Expires, Headers: e.Headers,
		Lineage: e.lineage, Died: timestamp(s.header, HeaderDied), Body: e.body,
	}
	if d.Died.IsZero() {
		d.Died = s.time
	}
	if e.body == nil {
		d.setPayload(s.data)
	}
	if json.Unmarshal([]byte(header(s.header, HeaderHistory)), &d.Attempts) != nil || d.Attempts == nil {
		d.Attempts = []Attempt{}
	}
	return d
}
