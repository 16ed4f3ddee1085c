package streams

import (
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// An envelope is a task with what its headers say of the run.
type envelope struct {
	tasks.Task
	run     string
	attempt int
	parked  tasks.Reason
	lineage Lineage
}

// Message builds the message of e on its ready subject.
func (e envelope) message(n Namespace) *nats.Msg {
	m := nats.NewMsg(n.Ready(e.Task))
	m.Data = e.Payload
	e.fill(m.Header)
	return m
}

// Schedule builds the message schedule that puts e on its ready subject at a
// time. The header is written by hand, since the client's own option cuts off
// the fraction of the second and so fires early.
func (e envelope) schedule(n Namespace, at time.Time) *nats.Msg {
	m := e.message(n)
	m.Header.Set(jetstream.ScheduleHeader, "@at "+at.UTC().Format(time.RFC3339Nano))
	m.Header.Set(jetstream.ScheduleTargetHeader, m.Subject)
	m.Header.Set(HeaderAt, formatTime(at))
	m.Subject = n.Later(e.Task)
	return m
}

func (e envelope) fill(h nats.Header) {
	for name, value := range e.Headers {
		h[name] = []string{value}
	}
	set := func(name, value string) {
		if value != "" {
			h[name] = []string{value}
		}
	}
	set(HeaderRun, e.run)
	set(HeaderAttempt, positive(e.attempt, 2))
	set(HeaderMaxAttempts, positive(e.MaxAttempts, 1))
	set(HeaderUser, e.User)
	set(HeaderParked, string(e.parked))
	set(HeaderReplayed, e.lineage.Replayed)
	set(HeaderReplayedBy, e.lineage.ReplayedBy)
	set(HeaderExpires, formatTime(e.Expires))
	if e.Timeout > 0 {
		set(HeaderTimeout, e.Timeout.String())
	}
}

// Guard makes the server refuse m unless the last message of the id, wherever it
// stands, has that sequence; 0 means that there must be none.
func guard(n Namespace, m *nats.Msg, id string, sequence uint64) {
	m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(sequence, 10))
	m.Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, n.Anywhere(id))
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
		run:     header(s.header, HeaderRun),
		attempt: max(number(s.header, HeaderAttempt), 1),
		parked:  tasks.Reason(header(s.header, HeaderParked)),
		lineage: Lineage{header(s.header, HeaderReplayed), header(s.header, HeaderReplayedBy)},
	}
	if d, parseErr := time.ParseDuration(header(s.header, HeaderTimeout)); parseErr == nil && d > 0 {
		e.Timeout = d
	}
	if e.run == "" {
		e.run = "s" + strconv.FormatUint(s.sequence, 10)
	}
	return e, err
}

// OwnHeaders are the caller's: those that neither the server nor we have made.
func ownHeaders(h nats.Header) map[string]string {
	var own map[string]string
	for name, values := range h {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if strings.HasPrefix(canonical, "Nats-") || strings.HasPrefix(canonical, "Sparkle-") || len(values) == 0 {
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
	value, err := strconv.Atoi(header(h, name))
	if err != nil || value < 0 {
		return 0
	}
	return value
}

func timestamp(h nats.Header, name string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, header(h, name))
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

// Positive prints n from a least value on, so that defaults cost no header.
func positive(n, least int) string {
	if n < least {
		return ""
	}
	return strconv.Itoa(n)
}
