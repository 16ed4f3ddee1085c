package streams_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"sparkle/streams"
	"sparkle/tasks"
)

// Runs counts how often a handler was called for each run.
type runs struct {
	mu sync.Mutex
	of map[string]int
}

func (r *runs) registry(handle func(tasks.Delivery, number) error) *tasks.Registry {
	var registry tasks.Registry
	tasks.Handle(&registry, tasks.Type[number, number]{Name: "count", Retry: tasks.Retry{Attempts: 1}}, func(ctx context.Context, in number) (number, error) {
		current := tasks.Current(ctx)
		r.mu.Lock()
		if r.of == nil {
			r.of = map[string]int{}
		}
		r.of[current.Run]++
		r.mu.Unlock()
		return in, handle(*current, in)
	})
	return &registry
}

func (r *runs) total() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.of)
}

func (r *runs) count(run string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of[run]
}

// FailZero fails for good with n 0, the payload of the letters in these tests.
func failZero(_ tasks.Delivery, in number) error {
	if in.N == 0 {
		return tasks.Permanent(errors.New("n is zero"))
	}
	return nil
}

// LaterTwo puts the task off with n 2.
func laterTwo(_ tasks.Delivery, in number) error {
	if in.N == 2 {
		return tasks.Snooze(time.Hour)
	}
	return nil
}

func (h *harness) replayer(o streams.ReplayOptions) *streams.Replayer {
	return streams.NewReplayer(h.publisher(streams.PublisherOptions{}), o)
}

func (h *harness) set(texts ...string) []streams.Edit {
	h.t.Helper()
	var edits []streams.Edit
	for _, text := range texts {
		edit, err := streams.ParseSet(text)
		if err != nil {
			h.t.Fatal(err)
		}
		edits = append(edits, edit)
	}
	return edits
}

// Letter stores a dead letter of type count as a worker does.
func (h *harness) letter(id, run string, change ...func(*nats.Msg)) streams.DeadLetter {
	h.t.Helper()
	m := ns.Seal(streams.Opened{Task: tasks.Task{Type: "count", ID: id, Priority: tasks.Default, Pool: "main", Payload: []byte(`{"n":0}`)}, Run: run, Attempt: 1})
	m.Subject = "sparkle.dead.default.main.count." + id
	m.Header.Set(streams.HeaderReason, "permanent")
	m.Header.Set(streams.HeaderError, "n is zero")
	m.Header.Set(streams.HeaderHistory, "[]")
	for _, c := range change {
		c(m)
	}
	if _, err := h.Client.JS().PublishMsg(h.ctx, m); err != nil {
		h.t.Fatal(err)
	}
	letters := h.deadLetters(id)
	return letters[len(letters)-1]
}

func TestReplayStartsANewRunOfTheLetter(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	var seen runs
	var second atomic.Pointer[tasks.Delivery]
	h.work(seen.registry(func(d tasks.Delivery, in number) error {
		if in.N == 1 {
			second.Store(&d)
		}
		return failZero(d, in)
	}), h.source())
	first := h.publish(tasks.Task{
		Type: "count", ID: "one", User: "ann", Priority: tasks.Low, Payload: []byte(`{"n":0}`),
		Timeout: time.Minute, MaxAttempts: 7, Expires: time.Now().Add(time.Hour), Headers: map[string]string{"tenant": "t1"},
	})
	h.ended(first.ID, first.Run)
	h.until("the letter is there", func() bool { return len(h.deadLetters("one")) == 1 })
	letter := h.deadLetters("one")[0]
	receipt, err := h.replayer(streams.ReplayOptions{Edits: h.set("payload.n=1"), By: "bob"}).Replay(h.ctx, letter)
	if err != nil || receipt.Run == first.Run || !tasks.ValidName(receipt.Run) || receipt.Sequence == 0 {
		t.Fatalf("Replay(%+v) = %+v, %v, want a new run", letter, receipt, err)
	}
	if result := h.ended("one", receipt.Run); result.State != tasks.Succeeded {
		t.Errorf("the new run ended %+v, want success", result)
	}
	want := tasks.Task{
		Type: "count", ID: "one", User: "ann", Priority: tasks.Low, Pool: "main", Payload: []byte(`{"n":1}`),
		Timeout: time.Minute, MaxAttempts: 7, Headers: map[string]string{"tenant": "t1"},
	}
	if diff := cmp.Diff(want, second.Load().Task); diff != "" {
		t.Errorf("the new run's task, without the letter's expiry (-want +got):\n%s", diff)
	}
	if second.Load().Attempt != 1 || len(h.deadLetters("one")) != 0 {
		t.Errorf("attempt %d with %d letters left, want attempt 1 and none", second.Load().Attempt, len(h.deadLetters("one")))
	}
	info, err := h.Client.Task(h.ctx, "one")
	if want := (streams.Lineage{Replayed: first.Run, ReplayedBy: "bob"}); err != nil || info.Lineage != want {
		t.Errorf("Task = %+v, %v, want lineage %+v", info, err, want)
	}
	if _, err := h.replayer(streams.ReplayOptions{}).Replay(h.ctx, letter); !errors.Is(err, streams.ErrNoLetter) {
		t.Errorf("Replay of a letter that is gone = %v, want ErrNoLetter", err)
	}
}

// The letter is there, and the worker dies before it acknowledges the task.
func TestReplayWaitsForTheAcknowledgementOfTheDeadRun(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	var seen runs
	source := h.source()
	source.Fault(killOnce("ack"))
	h.work(seen.registry(failZero), source)
	h.publish(tasks.Task{Type: "count", ID: "one", Payload: []byte(`{"n":0}`)})
	h.until("the letter is there", func() bool { return len(h.deadLetters("one")) == 1 })
	receipt, err := h.replayer(streams.ReplayOptions{Edits: h.set("payload.n=1")}).Replay(h.ctx, h.deadLetters("one")[0])
	if err != nil {
		t.Fatalf("Replay = %v, want it to wait until the task is redelivered and acknowledged", err)
	}
	if result := h.ended("one", receipt.Run); result.State != tasks.Succeeded {
		t.Errorf("the new run ended %+v, want success", result)
	}
}

// A retry and the next letter still tell where the run came from.
func TestLineageIsKeptUntilTheNextLetter(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	letter := h.letter("again", "first")
	receipt, err := h.replayer(streams.ReplayOptions{By: "ann"}).Replay(h.ctx, letter)
	if err != nil {
		t.Fatal(err)
	}
	want := streams.Lineage{Replayed: "first", ReplayedBy: "ann"}
	if info, err := h.Client.Task(h.ctx, "again"); err != nil || info.Lineage != want {
		t.Errorf("waiting: %+v, %v, want lineage %+v", info, err, want)
	}
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[number, number]{Name: "count", Retry: tasks.Retry{Attempts: 2, Base: time.Millisecond}}, func(_ context.Context, in number) (number, error) {
		return in, errors.New("no luck")
	})
	h.work(&r, h.source())
	h.ended("again", receipt.Run)
	h.until("the second letter is there", func() bool { return len(h.deadLetters("again")) == 1 })
	if second := h.deadLetters("again")[0]; second.Lineage != want || second.Attempt != 2 || second.Run != receipt.Run {
		t.Errorf("the second letter is %+v, want run %s at attempt 2 with lineage %+v", second, receipt.Run, want)
	}
}

func TestReplayKilledAtAnyStepRunsOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, step string
		works      bool // a worker ends the new run before the repeat
		lives      bool // and then the id lives again
	}{
		{"before its publish", "publish", false, false},
		{"before its deletion, and the run waits", "delete", false, false},
		{"before its deletion, and the run has ended", "delete", true, false},
		{"before its deletion, the run has ended and the id lives again", "delete", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, shortLease)
			letter := h.letter("one", "first")
			dying := h.replayer(streams.ReplayOptions{Edits: h.set("payload.n=1")})
			dying.Fault(killOnce(c.step))
			killed, err := dying.Replay(h.ctx, letter)
			if !errors.Is(err, errKilled) {
				t.Fatalf("Replay = %v, want it killed", err)
			}
			var seen runs
			if c.works {
				stop := h.work(seen.registry(laterTwo), h.source())
				h.ended("one", killed.Run)
				h.drained()
				if c.lives { // and has events of its own
					h.publish(tasks.Task{Type: "count", ID: "one", Payload: []byte(`{"n":2}`)})
					h.until("the next run is put off", func() bool {
						info, err := h.Client.Task(h.ctx, "one")
						return err == nil && info.State == tasks.Scheduled && len(info.Attempts) > 0
					})
				}
				stop()
			}
			if len(h.deadLetters("one")) != 1 {
				t.Fatal("the letter is gone before its replay was complete")
			}
			receipt, err := h.replayer(streams.ReplayOptions{Edits: h.set("payload.n=1")}).Replay(h.ctx, letter)
			if err != nil || receipt.Run == "" || killed.Run != receipt.Run {
				t.Fatalf("the repeat = %+v, %v, want run %s", receipt, err, killed.Run)
			}
			h.work(seen.registry(laterTwo), h.source())
			if !c.lives {
				h.drained()
			}
			if n, left := seen.count(receipt.Run), len(h.deadLetters("one")); n != 1 || left != 0 {
				t.Errorf("the new run ran %d times and %d letters are left, want once and none", n, left)
			}
		})
	}
}

// The slower of two looked before the other published, and publishes after that
// run has ended.
func TestTwoReplayersOfOneLetterRunItOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	letter := h.letter("one", "first")
	looked, goOn := make(chan struct{}), make(chan struct{})
	slow := h.replayer(streams.ReplayOptions{Edits: h.set("payload.n=1")})
	slow.Fault(func(step string) error {
		if step == "publish" {
			close(looked)
			<-goOn
		}
		return nil
	})
	ended := make(chan error, 1)
	go func() {
		_, err := slow.Replay(h.ctx, letter)
		ended <- err
	}()
	<-looked
	var seen runs
	h.work(seen.registry(failZero), h.source())
	receipt, err := h.replayer(streams.ReplayOptions{Edits: h.set("payload.n=1")}).Replay(h.ctx, letter)
	if err != nil {
		t.Fatal(err)
	}
	h.ended("one", receipt.Run)
	h.drained()
	close(goOn)
	if err := <-ended; err != nil {
		t.Errorf("the slower Replay = %v, want nil", err)
	}
	h.drained()
	if n := seen.count(receipt.Run); n != 1 {
		t.Errorf("the run ran %d times, want once", n)
	}
}

func TestReplayRefusesAndKeepsTheLetter(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	var r tasks.Registry
	tasks.Declare(&r, tasks.Type[number, number]{Name: "count"})
	checked := streams.PublisherOptions{Registry: &r}
	long := strings.Repeat("x", 129)
	asIs := func(*nats.Msg) {}
	for i, c := range []struct {
		name      string
		publisher streams.PublisherOptions
		options   streams.ReplayOptions
		change    func(*nats.Msg)
		field     string // of the InvalidError
	}{
		{"a field that its schema lacks", checked, streams.ReplayOptions{Edits: h.set("payload.m=1")}, asIs, "payload.m"},
		{"another type of field", checked, streams.ReplayOptions{Edits: h.set(`payload.n="1"`)}, asIs, "payload.n"},
		{"no JSON", streams.PublisherOptions{}, streams.ReplayOptions{}, func(m *nats.Msg) { m.Data = []byte("{") }, "payload"},
		{"an edit inside what is no JSON", checked, streams.ReplayOptions{Edits: h.set("payload.n=1")}, func(m *nats.Msg) { m.Data = []byte("{") }, "payload"},
		{"an edit inside a number", checked, streams.ReplayOptions{Edits: h.set("payload.n.m=1")}, asIs, "payload.n"},
		{"a long name", checked, streams.ReplayOptions{By: long}, asIs, "by"},
		{"a subject that named no task", checked, streams.ReplayOptions{}, func(m *nats.Msg) { m.Subject = strings.Replace(m.Subject, ".count.", ".malformed.", 1) }, "type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := fmt.Sprintf("id%d", i)
			letter := h.letter(id, "first", c.change)
			replayer := streams.NewReplayer(h.publisher(c.publisher), c.options)
			_, err := replayer.Replay(h.ctx, letter)
			var invalid *tasks.InvalidError
			if !errors.As(err, &invalid) || invalid.Field != c.field {
				t.Errorf("Replay = %v, want field %s refused", err, c.field)
			}
			if len(h.deadLetters(id)) != 1 {
				t.Errorf("%d letters are left, want one", len(h.deadLetters(id)))
			}
		})
	}
}

func TestReplayWaitsForTheIDAndPassesUncheckedPayloads(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	var r tasks.Registry
	tasks.Declare(&r, tasks.Type[number, number]{Name: "count"})
	letter := h.letter("taken", "first")
	h.publish(tasks.Task{Type: "count", ID: "taken", Payload: []byte(`{"n":1}`)})
	if _, err := h.replayer(streams.ReplayOptions{}).Replay(h.ctx, letter); !errors.Is(err, streams.ErrWaiting) {
		t.Errorf("Replay beside a living run = %v, want ErrWaiting", err)
	}
	if len(h.deadLetters("taken")) != 1 {
		t.Error("the letter is gone, want it kept")
	}
	odd := h.letter("odd", "first")
	unchecked := streams.NewReplayer(h.publisher(streams.PublisherOptions{Registry: &r, Unchecked: true}), streams.ReplayOptions{Edits: h.set("payload=[]")})
	if payload, err := unchecked.Preview(h.ctx, odd); err != nil || string(payload) != "[]" {
		t.Errorf("Preview = %s, %v, want []", payload, err)
	}
	if _, err := unchecked.Replay(h.ctx, odd); err != nil {
		t.Errorf("Replay unchecked = %v, want nil", err)
	}
	full := streams.NewReplayer(h.publisher(streams.PublisherOptions{MaxDepth: 1}), streams.ReplayOptions{})
	if _, err := full.Replay(h.ctx, h.letter("more", "first")); !errors.Is(err, streams.ErrFull) {
		t.Errorf("Replay into a full queue = %v, want ErrFull", err)
	}
}

func TestReplayGivesTheRunAnExpiryOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	past := func(m *nats.Msg) {
		m.Header.Set(streams.HeaderExpires, time.Now().Add(-time.Hour).UTC().Format(time.RFC3339Nano))
		m.Data = []byte(`{"n":1}`)
	}
	plain, again := h.letter("plain", "first", past), h.letter("again", "first", past)
	receipt, err := h.replayer(streams.ReplayOptions{}).Replay(h.ctx, plain)
	if err != nil {
		t.Fatal(err)
	}
	soon := time.Now().Add(30 * time.Millisecond)
	bounded, err := h.replayer(streams.ReplayOptions{Expires: soon}).Replay(h.ctx, again)
	if err != nil {
		t.Fatal(err)
	}
	h.until("the expiry has passed", func() bool { return time.Now().After(soon) })
	var seen runs
	h.work(seen.registry(failZero), h.source())
	if result := h.ended("plain", receipt.Run); result.State != tasks.Succeeded {
		t.Errorf("replayed without an expiry it ended %s, want succeeded", result.State)
	}
	if result := h.ended("again", bounded.Run); result.State != tasks.Expired {
		t.Errorf("replayed with an expiry that passed it ended %s, want expired", result.State)
	}
}
