package streams

import (
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/oklog/ulid/v2"

	"sparkle/tasks"
)

// An envelope is a task with what its headers say of the run.
type envelope struct {
	tasks.Task
	run     string
	attempt int
	parked  tasks.Reason
	body    *Body // how the payload is carried; nil: Payload has it, as it is
	lineage Lineage
}

// Message builds the message of e on its ready subject.
func (e envelope) message(n Namespace) *nats.Msg {
	m := &nats.Msg{Subject: n.Ready(e.Task), Header: e.header(), Data: e.Payload}
	if e.body != nil {
		m.Data = e.body.Data
	}
	return m
}

// Schedule builds the message schedule that puts e on its ready subject at a
// time. The header is written by hand, since the client's own option cuts off
// the fraction of the second and so fires early.
func (e envelope) schedule(n Namespace, at time.Time) *nats.Msg {
	m := e.message(n)
	withHeader(m)
	m.Header.Set(jetstream.ScheduleHeader, "@at "+at.UTC().Format(time.RFC3339Nano))
	m.Header.Set(jetstream.ScheduleTargetHeader, m.Subject)
	m.Header.Set(HeaderAt, formatTime(at))
	m.Subject = n.Later(e.Task)
	return m
}

func (e envelope) header() nats.Header {
	var h headers
	if e.run != e.ID || !ownRun(e.ID) {
		h.set(HeaderRun, e.run)
	}
	h.number(HeaderAttempt, uint64(e.attempt), 2)
	h.number(HeaderMaxAttempts, uint64(e.MaxAttempts), 1)
	h.set(HeaderUser, e.User)
	h.set(HeaderParked, string(e.parked))
	h.set(HeaderReplayed, e.lineage.Replayed)
	h.set(HeaderReplayedBy, e.lineage.ReplayedBy)
	h.time(HeaderExpires, e.Expires)
	if e.Timeout > 0 {
		h.set(HeaderTimeout, e.Timeout.String())
	}
	e.body.fill(&h)
	for name, value := range e.Headers {
		h.set(name, value)
	}
	return h.built // nil where there is nothing to say
}

// Guard makes the server refuse m unless the last message of the id, wherever it
// stands, has that sequence; 0 means that there must be none.
func guard(n Namespace, m *nats.Msg, id string, sequence uint64) {
	withHeader(m)
	m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(sequence, 10))
	m.Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, n.Anywhere(id))
}

// WithHeader lets headers be set on m.
func withHeader(m *nats.Msg) {
	if m.Header == nil {
		m.Header = nats.Header{}
	}
}

// Open reads a message of TASKS or DEAD. A header that makes no sense counts as
// absent: the task runs with its type's own policy.
func (n Namespace) open(s stored) (envelope, error) {
	a, err := n.parse(s.subject)
	e := envelope{
		Task: tasks.Task{
			Type: a.typ, ID: a.id, Priority: tasks.Priority(a.priority), Pool: a.pool,
			Payload: s.data, User: header(s.header, HeaderUser),
			MaxAttempts: number(s.header, HeaderMaxAttempts),
			Expires:     timestamp(s.header, HeaderExpires),
			At:          timestamp(s.header, HeaderAt),
			Headers:     ownHeaders(s.header),
		},
		run:     runOf(s),
		attempt: max(number(s.header, HeaderAttempt), 1),
		parked:  tasks.Reason(header(s.header, HeaderParked)),
		lineage: Lineage{header(s.header, HeaderReplayed), header(s.header, HeaderReplayedBy)},
	}
	if text := header(s.header, HeaderTimeout); text != "" {
		if d, parseErr := time.ParseDuration(text); parseErr == nil && d > 0 {
			e.Timeout = d
		}
	}
	if e.body = readBody(s); e.body != nil {
		e.Payload = nil
	}
	if e.run == "" {
		e.run = "s" + strconv.FormatUint(s.sequence, 10)
	}
	return e, err
}

// RunOf returns the run that a task's or an event's message names, or that its id
// is; "" for neither.
func runOf(s stored) string {
	if run := header(s.header, HeaderRun); run != "" {
		return run
	}
	if id := s.subject[strings.LastIndexByte(s.subject, '.')+1:]; ownRun(id) {
		return id
	}
	return ""
}

// OwnRun reports whether an id lives once, and so is the run of a task that names
// none: a ULID, as the publisher makes them.
func ownRun(id string) bool {
	_, err := ulid.ParseStrict(id)
	return err == nil
}

// OwnHeaders are the caller's: those that neither the server nor we have made.
func ownHeaders(h nats.Header) map[string]string {
	var own map[string]string
	for name, values := range h {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if strings.HasPrefix(canonical, "Nats-") || strings.HasPrefix(canonical, "Sparkle-") || len(values) == 0 ||
			canonical == HeaderContentType || canonical == HeaderContentEncoding {
			continue
		}
		if own == nil {
			own = map[string]string{}
		}
		own[name] = values[0]
	}
	return own
}

func header(h nats.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func number(h nats.Header, name string) int {
	text := header(h, name)
	if text == "" {
		return 0
	}
	value, err := strconv.Atoi(text)
	if err != nil || value < 0 {
		return 0
	}
	return value
}

func timestamp(h nats.Header, name string) time.Time {
	text := header(h, name)
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
