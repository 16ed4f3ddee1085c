package streams_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"sparkle/streams"
	"sparkle/tasks"
)

// What `nats pub` and other languages send has no header of ours.
func (h *harness) raw(subject string, payload string, headers ...string) {
	h.t.Helper()
	m := nats.NewMsg(subject)
	m.Data = []byte(payload)
	for i := 0; i < len(headers); i += 2 {
		m.Header.Set(headers[i], headers[i+1])
	}
	if _, err := h.Conn.RequestMsgWithContext(h.ctx, m); err != nil {
		h.t.Fatalf("publish on %s: %v", subject, err)
	}
}

func counting(runs *atomic.Int64) *tasks.Registry {
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[number, number]{Name: "count"}, func(_ context.Context, in number) (number, error) {
		runs.Add(1)
		return in, nil
	})
	return &r
}

func TestAPlainMessageIsATask(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	var runs atomic.Int64
	h.raw("sparkle.tasks.ready.high.main.count.from-afar", `{"n":7}`)
	h.work(counting(&runs), h.source())
	result := h.ended("from-afar", "")
	if result.State != tasks.Succeeded || string(result.Result) != `{"n":7}` || result.Run != "s1" {
		t.Errorf("ended as %+v, want succeeded with its own payload and run s1", result)
	}
}

func TestAULIDIsItsOwnRun(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	const id = "01JGZ0000000000000000000AB"
	var runs atomic.Int64
	h.raw("sparkle.tasks.ready.high.main.count."+id, `{"n":7}`)
	h.work(counting(&runs), h.source())
	if result := h.ended(id, id); result.State != tasks.Succeeded {
		t.Errorf("run %s ended as %+v, want succeeded", id, result)
	}
	receipt := h.publish(tasks.Task{Type: "count", Payload: []byte(`{"n":8}`)})
	stored := h.ended(receipt.ID, receipt.ID)
	if stored.State != tasks.Succeeded || receipt.Run != receipt.ID {
		t.Errorf("%+v ended as %+v, want its id as run, and succeeded", receipt, stored)
	}
}

func TestAnUnknownTypeIsParkedNotBurnt(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	var runs atomic.Int64
	h.raw("sparkle.tasks.ready.high.main.tomorrows_type.t1", `{"n":7}`, "X-Tag", "blue")
	stop := h.work(counting(&runs), h.source())
	var info streams.TaskInfo
	h.until("it is parked", func() bool {
		info, _ = h.Client.Task(h.ctx, "t1")
		return info.State == tasks.Parked && info.Due != nil
	})
	if info.Reason != tasks.ReasonUnknownType || info.Attempts[0].Attempt != 1 || info.Run != "s1" || string(info.Payload) != `{"n":7}` {
		t.Errorf("parked as %+v, want reason %q, attempt 1 and its payload", info, tasks.ReasonUnknownType)
	}
	stop()
	if letters := h.deadLetters(""); len(letters) != 0 {
		t.Errorf("dead letters %+v, want none", letters)
	}
}

func TestABadPayloadIsBuriedWithItsField(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	var runs atomic.Int64
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	big := `{"n":1,"x":"` + strings.Repeat("a", tasks.MaxPayload) + `"}`
	for id, payload := range map[string]string{
		"no-json": `{"n":`, "shape": `{"n":"seven"}`, "unknown": `{"n":1,"secret-value":2}`, "missing": `{}`,
		"deep": deep, "big": big, "empty": ``, "two": `{"n":1} {"n":2}`,
	} {
		h.raw("sparkle.tasks.ready.low.main.count."+id, payload)
	}
	refused, err := h.Conn.RequestWithContext(h.ctx, "sparkle.tasks.ready.low.main.count.huge", make([]byte, 600<<10))
	if err != nil || !strings.Contains(string(refused.Data), "message size exceeds maximum") {
		t.Errorf("publish of 600 KiB is answered %v, %v; want it refused", refused, err)
	}
	h.work(counting(&runs), h.source())
	h.drained()
	letters := h.deadLetters("")
	if len(letters) != 8 || runs.Load() != 0 {
		t.Fatalf("%d dead letters after %d runs, want 8 after none", len(letters), runs.Load())
	}
	for _, letter := range letters {
		if letter.Reason != tasks.ReasonPayload || !strings.HasPrefix(letter.Error, "payload") || len(letter.Attempts) != 1 {
			t.Errorf("letter %s: reason %q, error %q, attempts %+v; want reason payload and the field",
				letter.ID, letter.Reason, letter.Error, letter.Attempts)
		}
		if strings.Contains(letter.Error, "seven") {
			t.Errorf("letter %s: error %q quotes the payload", letter.ID, letter.Error)
		}
	}
}

func TestASubjectThatNamesNoTaskIsBuriedOrRefused(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	var runs atomic.Int64
	h.raw("sparkle.tasks.ready.high.main.count.bad$id", `{"n":7}`)
	for _, subject := range []string{
		"sparkle.tasks.ready.urgent.main.count.x", "sparkle.tasks.ready.high.main.count", "sparkle.tasks.ready.high.main.count.x.y",
	} {
		if _, err := h.Conn.RequestWithContext(h.ctx, subject, []byte(`{"n":7}`)); err == nil {
			t.Errorf("publish on %s is answered, want no responders", subject)
		}
	}
	h.work(counting(&runs), h.source())
	h.drained()
	letters := h.deadLetters("")
	if len(letters) != 1 || letters[0].Type != "malformed" || !strings.Contains(letters[0].Error, "bad$id") || runs.Load() != 0 {
		t.Errorf("dead letters %+v after %d runs, want one that names the subject", letters, runs.Load())
	}
}

// A copy without guard of a run that has been settled is acked unrun; a copy with
// another run is a task of its own.
func TestACopyOfASettledRunIsNotRunAgain(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	var runs atomic.Int64
	h.work(counting(&runs), h.source())
	const subject = "sparkle.tasks.ready.high.main.count.copied"
	h.raw(subject, `{"n":7}`, streams.HeaderRun, "run-1")
	h.ended("copied", "run-1")
	h.raw(subject, `{"n":7}`, streams.HeaderRun, "run-1")
	h.drained()
	if runs.Load() != 1 {
		t.Errorf("%d runs of one run, want 1", runs.Load())
	}
	h.raw(subject, `{"n":7}`, streams.HeaderRun, "run-2")
	h.ended("copied", "run-2")
	if runs.Load() != 2 {
		t.Errorf("%d runs after a second run of the id, want 2", runs.Load())
	}
}

// Two copies of an id in the queue at once: both run; where the first must be
// retried it cannot stand beside the second, and becomes a dead letter.
func TestAnOvertakenRunBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	overtaken := make(chan struct{})
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[number, number]{Name: "count"}, func(_ context.Context, in number) (number, error) {
		if in.N == 1 {
			return in, fail(1)
		}
		<-overtaken
		return in, nil
	})
	const subject = "sparkle.tasks.ready.high.main.count.twice"
	h.raw(subject, `{"n":1}`)
	h.raw(subject, `{"n":2}`)
	h.work(&r, h.source())
	h.until("the first is buried", func() bool { return len(h.deadLetters("twice")) == 1 })
	close(overtaken)
	second := h.ended("twice", "s2")
	h.drained()
	letters := h.deadLetters("twice")
	if second.State != tasks.Succeeded || len(letters) != 1 || letters[0].Reason != tasks.ReasonSuperseded || letters[0].Run != "s1" {
		t.Errorf("second run %+v, dead letters %+v; want it done and the first superseded", second, letters)
	}
}
