package streams

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// An ingest is one batch of the server's fast ingest: messages are stored as they
// come, and an answer is sent for many of them. The batch ends at the first
// message that is not stored, so that "stored" is always a count from its
// beginning; jetstreamext's publisher does not tell that count when a message is
// refused (ADR 13). It is not safe for concurrent use.
type ingest struct {
	nc      *nats.Conn
	prefix  string // of the reply subject, which carries the protocol
	stream  string // a subject of it
	sent    uint64 // messages
	stored  uint64 // of those the first so many, for certain
	told    uint64 // of those, how many the caller knows of
	flow    uint64 // messages for one answer, as the server wants it
	ended   bool   // by the server: nothing more is stored
	exact   bool   // of what was sent, nothing but the first stored is stored
	closed  bool   // the end was asked for
	err     error  // why it ends early
	refused uint64 // which message the server refused; 0 where that was not why
}

// The steps of a batch in a reply subject.
const (
	ingestStart  = 0
	ingestAppend = 1
	ingestClose  = 3 // without a message of its own
)

// IngestFlow is for how many messages an answer is asked. It also bounds, twice,
// how many are sent again when one is refused.
const ingestFlow = 300

var errIngestGap = errors.New("messages were lost on their way to the server")

func newIngest(nc *nats.Conn, inbox string) *ingest {
	return &ingest{nc: nc, prefix: fmt.Sprintf("%s.%s.%d.fail.", inbox, nuid.Next(), ingestFlow), flow: 1}
}

// Send sends a message. An error means that it was not sent.
func (g *ingest) send(m *nats.Msg) error {
	step := ingestAppend
	if g.sent == 0 {
		step, g.stream = ingestStart, m.Subject
	}
	m.Reply = g.reply(g.sent+1, step)
	err := g.nc.PublishMsg(m)
	m.Reply = "" // it may be published again by itself
	if err == nil {
		g.sent++
	}
	return err
}

// Close asks for the end of the batch, which read then reports.
func (g *ingest) close() error {
	if g.closed {
		return nil
	}
	g.closed = true
	return g.nc.PublishRequest(g.stream, g.reply(g.sent+1, ingestClose), nil)
}

func (g *ingest) reply(sequence uint64, step int) string {
	b := make([]byte, 0, len(g.prefix)+16)
	b = append(b, g.prefix...)
	b = strconv.AppendUint(b, sequence, 10)
	b = append(b, '.', byte('0'+step))
	return string(append(b, ".$FI"...))
}

// Full reports whether an answer should be awaited before more is sent.
func (g *ingest) full() bool { return g.sent-g.stored >= 2*g.flow }

// An ingestAnswer is any of the server's.
type ingestAnswer struct {
	Type     string              `json:"type"` // ack, err or gap; none: the batch has ended
	Sequence uint64              `json:"seq"`
	Messages uint64              `json:"msgs"`
	Count    uint64              `json:"count"`
	Error    *jetstream.APIError `json:"error"`
}

// Read takes in an answer of the server, also one to an earlier batch.
func (g *ingest) read(m *nats.Msg) {
	position, ok := strings.CutPrefix(m.Subject, g.prefix)
	if !ok || g.ended {
		return
	}
	if m.Header.Get("Status") == "503" {
		g.ended, g.err = true, nats.ErrNoResponders
		return
	}
	var a ingestAnswer
	if err := json.Unmarshal(m.Data, &a); err != nil {
		g.err = fmt.Errorf("decode the answer to a bulk: %w", err)
		return
	}
	switch {
	case a.Type == "ack":
		g.stored, g.flow = max(g.stored, min(a.Sequence, g.sent)), max(a.Messages, 1)
	case a.Type == "err":
		g.fail(a.Error, a.Sequence)
	case a.Type != "": // a gap: messages were lost on the way
		g.fail(nil, 0)
	case a.Error != nil:
		g.failAt(a.Error, position)
	default:
		g.stored, g.ended = max(g.stored, min(a.Count, g.sent)), true
		g.exact = g.err == nil || g.refused == a.Count+1
	}
}

// Fail notes the first trouble: a message that the server refused, or messages
// that were lost on the way.
func (g *ingest) fail(answer *jetstream.APIError, sequence uint64) {
	if g.err != nil {
		return
	}
	g.err = errIngestGap
	if answer != nil {
		g.err, g.refused = answer, sequence
	}
}

// FailAt takes in an answer that is not of the batch: to its first message,
// which then began none; to its end, where the server no longer knows the batch;
// else to a message that met a limit of the server.
func (g *ingest) failAt(answer *jetstream.APIError, position string) {
	number, _, _ := strings.Cut(position, ".")
	sequence, _ := strconv.ParseUint(number, 10, 64) // we wrote it
	first := sequence == 1 && g.stored == 0
	g.ended, g.exact = first || sequence > g.sent, first
	if g.err == nil {
		g.err = answer
	}
}
