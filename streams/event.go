package streams

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// An Event is one state change of a run.
type Event struct {
	Type     string
	ID       string
	Run      string
	State    tasks.State
	Attempt  int
	Priority tasks.Priority
	Pool     string
	User     string
	Lineage
	// Sequence is the task's in TASKS, Delivery the how-manieth of it; they
	// name the lease that told this.
	Sequence uint64
	Delivery int
	// Returned counts how often that message was handed back, this time
	// included; Lost its leases that were neither settled nor handed back.
	Returned int
	Lost     int
	Worker   string
	// Ready is when the task could first have been started.
	Ready          time.Time
	Started, Ended time.Time
	At             time.Time    // due again
	Reason         tasks.Reason // of dead and parked
	By             string       // who cancelled; Detail.Note says why
	Detail         Detail
	Result         json.RawMessage // of succeeded, where Body is nil
	Body           *Body           // how the result is carried; [Client.Load] reads it
	Time           time.Time       // when the event was stored
}

// Detail is the body of an event that has no result.
type Detail struct {
	Error    string  `json:"error,omitempty"`
	Stack    string  `json:"stack,omitempty"`
	Fraction float64 `json:"fraction,omitempty"`
	Note     string  `json:"note,omitempty"`
}

func (e *Event) message(n Namespace) (*nats.Msg, error) {
	m := &nats.Msg{Subject: n.Event(e.Type, e.ID)}
	var h headers
	h.set(HeaderState, string(e.State))
	if e.Run != e.ID || !ownRun(e.ID) {
		h.set(HeaderRun, e.Run)
	}
	h.number(HeaderAttempt, uint64(e.Attempt), 2)
	if e.Priority != tasks.Default {
		h.set(HeaderPriority, string(e.Priority))
	}
	if e.Pool != tasks.MainPool {
		h.set(HeaderPool, e.Pool)
	}
	h.set(HeaderUser, e.User)
	h.set(HeaderReplayed, e.Replayed)
	h.set(HeaderReplayedBy, e.ReplayedBy)
	h.number(HeaderSequence, e.Sequence, 0)
	h.number(HeaderDelivery, uint64(e.Delivery), 2)
	h.number(HeaderReturned, uint64(e.Returned), 1)
	h.number(HeaderLost, uint64(e.Lost), 1)
	h.set(HeaderWorker, e.Worker)
	h.set(HeaderTimes, formatTimes(e.Ready, e.Started, e.Ended))
	h.time(HeaderAt, e.At)
	h.set(HeaderReason, string(e.Reason))
	h.set(HeaderBy, e.By)
	if e.State == tasks.Succeeded {
		e.Body.fill(&h)
	}
	m.Header = h.built
	if e.State == tasks.Succeeded && e.Body != nil {
		m.Data = e.Body.Data
		return m, nil
	}
	if e.State == tasks.Succeeded {
		m.Data = e.Result
		return m, nil
	}
	body, err := json.Marshal(e.Detail)
	m.Data = body
	return m, err
}

// ParseEvent reads a message of EVENTS.
func parseEvent(s stored) Event {
	h := s.header
	e := Event{
		State:   tasks.State(header(h, HeaderState)),
		Attempt: max(number(h, HeaderAttempt), 1), Priority: cmp.Or(tasks.Priority(header(h, HeaderPriority)), tasks.Default),
		Pool: cmp.Or(header(h, HeaderPool), tasks.MainPool), User: header(h, HeaderUser),
		Lineage:  Lineage{header(h, HeaderReplayed), header(h, HeaderReplayedBy)},
		Sequence: uint64(number(h, HeaderSequence)), Delivery: max(number(h, HeaderDelivery), 1),
		Returned: number(h, HeaderReturned), Lost: number(h, HeaderLost), Worker: header(h, HeaderWorker),
		At: timestamp(h, HeaderAt), Reason: tasks.Reason(header(h, HeaderReason)), By: header(h, HeaderBy), Time: s.time,
	}
	e.Type, e.ID = lastTwo(s.subject)
	e.Run = runOf(s)
	e.Ready, e.Started, e.Ended = parseTimes(header(h, HeaderTimes))
	if e.State == tasks.Succeeded {
		if e.Body = readBody(s); e.Body == nil {
			e.Result = s.data
		}
	} else if json.Unmarshal(s.data, &e.Detail) != nil {
		e.Detail = Detail{}
	}
	return e
}

func lastTwo(subject string) (string, string) {
	end := len(subject)
	for i := end - 1; i >= 0; i-- {
		if subject[i] != '.' {
			continue
		}
		if end == len(subject) {
			end = i
			continue
		}
		return subject[i+1 : end], subject[end+1:]
	}
	return "", subject
}

func fromRaw(m *jetstream.RawStreamMsg) stored {
	return stored{subject: m.Subject, sequence: m.Sequence, header: m.Header, data: m.Data, time: m.Time}
}
