package streams_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"

	"sparkle/streams"
	"sparkle/tasks"
)

const ns = streams.DefaultNamespace

func names() *rapid.Generator[string] { return rapid.StringMatching(`[A-Za-z0-9_-]{1,40}`) }

func times() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(0, rapid.Int64Range(1, 4e18).Draw(t, "nanoseconds")).UTC()
	})
}

func anyTask(t *rapid.T) tasks.Task {
	task := tasks.Task{
		Type: names().Draw(t, "type"), ID: names().Draw(t, "id"), Pool: names().Draw(t, "pool"),
		Priority:    rapid.SampledFrom(tasks.Priorities()).Draw(t, "priority"),
		Payload:     json.RawMessage(rapid.SampledFrom([]string{`{"n":1}`, `null`, `"学习"`}).Draw(t, "payload")),
		User:        rapid.SampledFrom([]string{"", "ann", "李雷"}).Draw(t, "user"),
		Timeout:     time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "timeout")),
		MaxAttempts: rapid.IntRange(0, 50).Draw(t, "attempts"),
	}
	if rapid.Bool().Draw(t, "expires") {
		task.Expires = times().Draw(t, "expiry")
	}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"traceparent", "X-Tenant", "tag"}), 0, 3, rapid.ID).Draw(t, "headers") {
		if task.Headers == nil {
			task.Headers = map[string]string{}
		}
		task.Headers[name] = names().Draw(t, "value")
	}
	return task
}

// What is published is what a worker gets, through the server's own encoding.
func TestATaskSurvivesItsEnvelope(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := streams.Opened{
			Task: anyTask(t), Run: names().Draw(t, "run"), Attempt: rapid.IntRange(1, 30).Draw(t, "attempt"),
			Parked: rapid.SampledFrom([]tasks.Reason{"", tasks.ReasonUnknownType}).Draw(t, "parked"),
		}
		m := ns.Seal(want)
		if rapid.Bool().Draw(t, "later") {
			want.Task.At = times().Draw(t, "at")
			m = ns.SealUntil(want, want.Task.At)
		}
		got, err := ns.Open(m.Subject, 7, overTheWire(t, m.Header), m.Data)
		if err != nil {
			t.Fatalf("Open(%s): %v", m.Subject, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the envelope changed the task (-want +got):\n%s", diff)
		}
	})
}

func TestAnEventSurvivesItsMessage(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := streams.Event{
			Type: names().Draw(t, "type"), ID: names().Draw(t, "id"), Run: names().Draw(t, "run"),
			State:    rapid.SampledFrom([]tasks.State{tasks.Running, tasks.Retrying, tasks.Dead, tasks.Returned, tasks.Parked, tasks.Expired}).Draw(t, "state"),
			Attempt:  rapid.IntRange(1, 30).Draw(t, "attempt"),
			Priority: tasks.High, Pool: "main", User: "ann", Worker: "w1",
			Sequence: rapid.Uint64Range(1, 1<<53).Draw(t, "sequence"), Delivery: rapid.IntRange(1, 25).Draw(t, "delivery"),
			Returned: rapid.IntRange(0, 5).Draw(t, "returned"), Lost: rapid.IntRange(0, 5).Draw(t, "lost"),
			Ready: times().Draw(t, "ready"), Started: times().Draw(t, "started"), Ended: times().Draw(t, "ended"), At: times().Draw(t, "at"),
			Reason: tasks.ReasonAttempts, Time: times().Draw(t, "time"),
			Detail: streams.Detail{
				Error: strings.ToValidUTF8(rapid.String().Draw(t, "error"), "?"), Stack: "main.go:1\nmain.go:2",
				Fraction: rapid.Float64Range(0, 1).Draw(t, "fraction"), Note: "page 4",
			},
		}
		m, err := ns.EventMessage(want)
		if err != nil {
			t.Fatal(err)
		}
		got := streams.ParseEvent(m.Subject, overTheWire(t, m.Header), m.Data, want.Time)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the message changed the event (-want +got):\n%s", diff)
		}
	})
}

// OverTheWire writes a header as the client does and reads it again.
func overTheWire(t *rapid.T, h nats.Header) nats.Header {
	var wire strings.Builder
	wire.WriteString("NATS/1.0\r\n")
	for name, values := range h {
		for _, value := range values {
			wire.WriteString(name + ": " + value + "\r\n")
		}
	}
	wire.WriteString("\r\n")
	read, err := nats.DecodeHeadersMsg([]byte(wire.String()))
	if err != nil {
		t.Fatalf("headers %q: %v", wire.String(), err)
	}
	return read
}

// Whatever stands in a message, reading it neither panics nor yields a task that
// could not be published on.
func FuzzOpen(f *testing.F) {
	f.Add("sparkle.tasks.ready.high.main.count.id", "3", "10s", "2026-12-01T08:00:00Z", []byte(`{}`))
	f.Add("sparkle.dead.low.gpu.x.y", "-1", "-5h", "never", []byte(nil))
	f.Add("other.tasks.ready", "99999999999999999999", "x", "", []byte("\xff"))
	f.Fuzz(func(t *testing.T, subject, attempt, timeout, expires string, data []byte) {
		h := nats.Header{
			streams.HeaderAttempt: {attempt}, streams.HeaderMaxAttempts: {attempt}, streams.HeaderTimeout: {timeout},
			streams.HeaderExpires: {expires}, streams.HeaderAt: {expires}, "X-Own": {timeout}, "Empty": nil,
		}
		o, err := ns.Open(subject, 1, h, data)
		if err != nil {
			return
		}
		if o.Attempt < 1 || o.Run == "" || o.Task.Timeout < 0 || o.Task.MaxAttempts < 0 || !tasks.ValidName(o.Task.ID) || !o.Task.Priority.Valid() {
			t.Errorf("Open(%q) = %+v, which is no task", subject, o)
		}
	})
}

func FuzzParseEvent(f *testing.F) {
	f.Add("sparkle.events.count.id", "succeeded", "1", []byte(`{"n":1}`))
	f.Add("", "running", "x", []byte(`{"fraction":1e999}`))
	f.Fuzz(func(t *testing.T, subject, state, count string, data []byte) {
		e := streams.ParseEvent(subject, nats.Header{
			streams.HeaderState: {state}, streams.HeaderAttempt: {count}, streams.HeaderSequence: {count},
			streams.HeaderDelivery: {count}, streams.HeaderReturned: {count}, streams.HeaderTimes: {count},
		}, data, time.Time{})
		if e.Attempt < 1 || e.Delivery < 1 || e.Returned < 0 {
			t.Errorf("ParseEvent(%q) = %+v", subject, e)
		}
	})
}
