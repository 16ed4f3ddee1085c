package streams

import (
	"context"
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// Fault makes the source fail before a step of settling (event, follow, ack)
// whenever fn returns an error, as if the process died there.
func (s *Source) Fault(fn func(step string) error) { s.fault = fn }

// NewReader is a client without a connection, which reads and writes bodies.
func NewReader(codecs ...Codec) *Client { return &Client{Codecs: codecs} }

// Pack writes a value with the defaults, as far as a message carries it.
func (c *Client) Pack(value []byte) error {
	_, err := c.encode(Packing{}, value)
	return err
}

// Fault makes cancelling (announce, event, remove, signal, clear), writing a blob
// (chunks sent, blob stored) and the sweep of blobs (chunks purge, description
// purge) fail before a step whenever fn returns an error, as if the process died
// there.
func (c *Client) Fault(fn func(step string) error) { c.fault = fn }

// NC is the client's connection.
func (c *Client) NC() *nats.Conn { return c.nc }

// JS is the client's JetStream.
func (c *Client) JS() jetstream.JetStream { return c.js }

// An Opened is what a message of TASKS says, for tests of the envelope.
type Opened struct {
	Task    tasks.Task
	Run     string
	Attempt int
	Parked  tasks.Reason
}

// Seal builds the message of a task on its ready subject.
func (n Namespace) Seal(o Opened) *nats.Msg {
	return envelope{Task: o.Task, run: o.Run, attempt: o.Attempt, parked: o.Parked}.message(n)
}

// SealUntil builds the schedule of a task.
func (n Namespace) SealUntil(o Opened, at time.Time) *nats.Msg {
	return envelope{Task: o.Task, run: o.Run, attempt: o.Attempt, parked: o.Parked}.schedule(n, at)
}

// Open reads a message.
func (n Namespace) Open(subject string, sequence uint64, h nats.Header, data []byte) (Opened, error) {
	e, err := n.open(stored{subject: subject, sequence: sequence, header: h, data: data})
	return Opened{e.Task, e.run, e.attempt, e.parked}, err
}

// EventMessage and ParseEvent are the two directions of an event.
func (n Namespace) EventMessage(e Event) (*nats.Msg, error) { return e.message(n) }

// ParseEvent reads an event.
func ParseEvent(subject string, h nats.Header, data []byte, at time.Time) Event {
	return parseEvent(stored{subject: subject, header: h, data: data, time: at})
}

// Fault makes a replay fail before a step (publish, delete) whenever fn returns
// an error, as if the process died there.
func (r *Replayer) Fault(fn func(step string) error) { r.fault = fn }

// Apply makes the edits in a payload.
func Apply(payload []byte, edits ...Edit) (json.RawMessage, error) { return applyEdits(payload, edits) }

// Pacer returns the wait of a pacer with so many steps in a second.
func Pacer(perSecond float64) func(context.Context) bool {
	p := pacer{every: interval(perSecond)}
	return p.wait
}

// Message builds the message of a letter.
func (d DeadLetter) Message(n Namespace) (*nats.Msg, error) { return d.message(n, nil) }

// Append stores an event.
func (c *Client) Append(ctx context.Context, e Event) error { return c.append(ctx, e) }

// ReadAnswers gives a batch of sent messages two answers, each to the message at
// a position, and returns how many it counts as stored after each.
func ReadAnswers(sent uint64, position string, answer []byte, position2 string, answer2 []byte) (stored [2]uint64) {
	g := newIngest(nil, "inbox")
	g.sent = sent
	g.read(&nats.Msg{Subject: g.prefix + position, Data: answer})
	stored[0] = g.stored
	g.read(&nats.Msg{Subject: g.prefix + position2, Data: answer2})
	stored[1] = g.stored
	return stored
}

// ParseCancellation reads an entry or a signal.
func ParseCancellation(data []byte) ([]tasks.Cancellation, error) { return parseCancellation(data) }

// ParsePause reads an entry.
func ParsePause(key string, value []byte) (Pause, error) { return parsePause(key, value) }

// FormatTimes and ParseTimes are the two directions of the times of an attempt.
var (
	FormatTimes = formatTimes
	ParseTimes  = parseTimes
)
