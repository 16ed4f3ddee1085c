package streams_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"

	"sparkle/streams"
	"sparkle/tasks"
)

// Letters stores n dead letters of type count with payload {"n":1}.
func (h *harness) letters(n int) {
	h.t.Helper()
	for i := range n {
		id := fmt.Sprintf("id-%d", i)
		m := ns.Seal(streams.Opened{Task: tasks.Task{Type: "count", ID: id, Priority: tasks.Default, Pool: "main", Payload: []byte(`{"n":1}`)}, Run: "dead-" + id, Attempt: 1})
		m.Subject = "sparkle.dead.default.main.count." + id
		m.Header.Set(streams.HeaderReason, "permanent")
		if _, err := h.Client.JS().PublishMsgAsync(m); err != nil {
			h.t.Fatal(err)
		}
	}
	select {
	case <-h.Client.JS().PublishAsyncComplete():
	case <-h.ctx.Done():
		h.t.Fatal("the letters are not stored")
	}
}

func TestReplayAllBesideNewRunsOfTheSameIDs(t *testing.T) {
	t.Parallel()
	replayBeside(t, 2_000, 4_000)
}

// ReplayBeside replays n letters at a rate while their ids are published anew at
// the same rate.
func replayBeside(t *testing.T, n int, rate float64) {
	t.Helper()
	h := newHarness(t, streams.Topology{})
	h.letters(n)
	var seen runs
	var beside atomic.Int64 // runs that began while another of their id ran
	var living sync.Map
	h.work(seen.registry(func(d tasks.Delivery, _ number) error {
		if _, taken := living.LoadOrStore(d.ID, d.Run); taken {
			beside.Add(1)
		}
		living.Delete(d.ID)
		return nil
	}), h.source())
	published := make(chan string, n)
	var anew sync.WaitGroup
	anew.Go(func() {
		defer close(published)
		p := h.publisher(streams.PublisherOptions{})
		pace := time.NewTicker(time.Duration(float64(time.Second) / rate))
		defer pace.Stop()
		for i := range n {
			<-pace.C
			receipt, err := p.Publish(h.ctx, tasks.Task{Type: "count", ID: fmt.Sprintf("id-%d", i), Payload: []byte(`{"n":2}`)})
			if err == nil {
				published <- receipt.Run
			} else if !errors.Is(err, streams.ErrWaiting) {
				t.Error(err)
			}
		}
	})
	outcomes := map[streams.ReplayOutcome]int{}
	replayed := map[string]string{} // by the run that died
	err := h.replayer(streams.ReplayOptions{Rate: rate}).ReplayAll(h.ctx, streams.DeadFilter{Type: "count"}, func(r streams.ReplayResult) {
		outcomes[r.Outcome]++
		if r.Outcome == streams.Replayed {
			replayed[r.Replayed] = r.Run
		}
	})
	anew.Wait()
	h.until("every run has run", func() bool { return seen.total() >= len(replayed)+len(published) })
	h.drained()
	left := 0
	if err := errors.Join(err, h.Client.DeadLetters(h.ctx, streams.DeadFilter{}, func(d streams.DeadLetter) bool {
		left++
		if replayed[d.Run] != "" {
			t.Errorf("the letter of run %s was replayed and is still there", d.Run)
		}
		return true
	})); err != nil {
		t.Fatal(err)
	}
	if len(replayed)+left != n || outcomes[streams.Replayed] != len(replayed) || outcomes[streams.StillWaiting] != left || len(replayed) < n/4 {
		t.Errorf("outcomes %v, %d letters left of %d; want each replayed or there", outcomes, left, n)
	}
	for dead, run := range replayed {
		if seen.count(run) != 1 {
			t.Errorf("the replay of %s ran %d times, want once", dead, seen.count(run))
		}
	}
	for run := range published {
		if seen.count(run) != 1 {
			t.Errorf("run %s, published anew, ran %d times, want once", run, seen.count(run))
		}
	}
	if beside.Load() > 0 {
		t.Errorf("%d runs began beside another of their id, want none", beside.Load())
	}
}

// A letter whose replay dies again is a new letter, which this replay leaves.
func TestReplayAllEndsThoughEveryReplayDies(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	for i := range 20 {
		h.letter(fmt.Sprintf("id-%d", i), "first")
	}
	var seen runs
	h.work(seen.registry(failZero), h.source())
	count := 0
	err := h.replayer(streams.ReplayOptions{Concurrency: 1}).ReplayAll(h.ctx, streams.DeadFilter{}, func(r streams.ReplayResult) {
		count++
		h.until("it has died again", func() bool { return len(h.deadLetters(r.ID)) == 1 })
	})
	if err != nil || count != 20 {
		t.Errorf("ReplayAll told of %d letters, %v; want the 20 that were there", count, err)
	}
}

func TestReplayAllTellsEachOutcome(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	var r tasks.Registry
	tasks.Declare(&r, tasks.Type[number, number]{Name: "count"})
	h.letter("fits", "first")
	h.letter("odd", "first", func(m *nats.Msg) { m.Data = []byte(`{"m":0}`) })
	h.letter("taken", "first")
	h.publish(tasks.Task{Type: "count", ID: "taken"})
	gone := h.letter("gone", "first")
	replayer := streams.NewReplayer(h.publisher(streams.PublisherOptions{Registry: &r}), streams.ReplayOptions{Concurrency: 1})
	got := map[string]streams.ReplayOutcome{}
	err := replayer.ReplayAll(h.ctx, streams.DeadFilter{}, func(r streams.ReplayResult) {
		got[r.ID] = r.Outcome
		if (r.Outcome == streams.Replayed) != (r.Err == nil && r.Run != "" && r.Error == "") {
			t.Errorf("result %+v contradicts itself", r)
		}
		if err := h.Client.RemoveDead(h.ctx, gone); err != nil { // more than once
			t.Error(err)
		}
	})
	want := map[string]streams.ReplayOutcome{"fits": streams.Replayed, "odd": streams.BadPayload, "taken": streams.StillWaiting, "gone": streams.Gone}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("ReplayAll = %v, %v, want %v", got, err, want)
	}
}

// Of several letters of an id the oldest goes first, whatever is done beside it.
func TestReplayAllKeepsTheOrderOfAnID(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	for i := range 40 {
		for run := range 3 {
			h.letter(fmt.Sprintf("id-%d", i), fmt.Sprint("run-", run))
		}
	}
	told := map[string]string{}
	err := h.replayer(streams.ReplayOptions{}).ReplayAll(h.ctx, streams.DeadFilter{}, func(r streams.ReplayResult) {
		told[r.ID] += fmt.Sprintf("%s %s, ", r.Replayed, r.Outcome)
	})
	if err != nil || len(told) != 40 {
		t.Errorf("ReplayAll told of %d ids, %v, want 40", len(told), err)
	}
	for id, got := range told {
		if want := "run-0 replayed, run-1 waiting, run-2 waiting, "; got != want {
			t.Errorf("the letters of %s: %s want %s", id, got, want)
		}
	}
}

func TestReplayAllStopsCleanly(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	h.letters(50)
	ctx, interrupt := context.WithCancel(h.ctx)
	told := 0
	err := h.replayer(streams.ReplayOptions{Concurrency: 2}).ReplayAll(ctx, streams.DeadFilter{}, func(r streams.ReplayResult) {
		if told++; told == 10 {
			interrupt()
		}
		if r.Outcome != streams.Replayed {
			t.Errorf("an interrupted letter is told as %+v, want it ended or not begun", r)
		}
	})
	left := 0
	if err := h.Client.DeadLetters(h.ctx, streams.DeadFilter{}, func(streams.DeadLetter) bool { left++; return true }); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, context.Canceled) || told+left != 50 || left == 0 {
		t.Errorf("ReplayAll = %v after %d letters with %d left, want it cancelled and each letter told or there", err, told, left)
	}
	for _, o := range []streams.ReplayOptions{{Rate: -1}, {By: "a\nb"}} {
		var invalid *tasks.InvalidError
		if err := h.replayer(o).ReplayAll(h.ctx, streams.DeadFilter{}, func(streams.ReplayResult) { told++ }); !errors.As(err, &invalid) {
			t.Errorf("ReplayAll with %+v = %v, want it refused", o, err)
		}
	}
	dying := h.replayer(streams.ReplayOptions{Concurrency: 1})
	dying.Fault(killOnce("publish"))
	told = 0
	if err := dying.ReplayAll(h.ctx, streams.DeadFilter{}, func(streams.ReplayResult) { told++ }); !errors.Is(err, errKilled) || told != 1 {
		t.Errorf("ReplayAll = %v after %d letters, want it stopped by the first failure", err, told)
	}
}

func TestPacerKeepsItsRate(t *testing.T) {
	t.Parallel()
	for rate, want := range map[float64]time.Duration{500: 2 * time.Second, 0.5: 2000 * time.Second, 0: 0} {
		synctest.Test(t, func(t *testing.T) {
			wait := streams.Pacer(rate)
			began := time.Now()
			for range 1 + 1000 {
				if !wait(t.Context()) {
					t.Fatal("the pacer gave up")
				}
			}
			if took := time.Since(began); took != want {
				t.Errorf("1000 steps at %v/s take %v, want %v", rate, took, want)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if wait(ctx) {
				t.Errorf("a step at %v/s is due after its context is done", rate)
			}
		})
	}
}

func TestLettersAreFiltered(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	began := time.Now()
	h.letter("plain", "r1")
	h.letter("lost", "r2", func(m *nats.Msg) {
		m.Header.Set(streams.HeaderReason, "lease lost")
		m.Header.Set(streams.HeaderError, "connect: Time-out of upstream")
	})
	h.letter("ann", "r3", func(m *nats.Msg) { m.Header.Set(streams.HeaderUser, "ann") })
	h.letter("high", "r4", func(m *nats.Msg) { m.Subject = "sparkle.dead.high.gpu.draw.high" })
	h.letter("old", "r5", func(m *nats.Msg) { m.Header.Set(streams.HeaderDied, "2020-02-02T00:00:00Z") })
	for _, c := range []struct {
		name   string
		filter streams.DeadFilter
		want   string
	}{
		{"none", streams.DeadFilter{}, "plain lost ann high old "},
		{"id", streams.DeadFilter{ID: "ann"}, "ann "},
		{"type", streams.DeadFilter{Type: "draw"}, "high "},
		{"pool", streams.DeadFilter{Pool: "gpu"}, "high "},
		{"priority", streams.DeadFilter{Priority: tasks.Default}, "plain lost ann old "},
		{"user", streams.DeadFilter{User: "ann"}, "ann "},
		{"reason", streams.DeadFilter{Reason: tasks.ReasonLeaseLost}, "lost "},
		{"error", streams.DeadFilter{Error: pattern(t, `(?i)time-?out`)}, "lost "},
		{"since", streams.DeadFilter{Since: began}, "plain lost ann high "},
		{"until", streams.DeadFilter{Until: began}, "old "},
		{"two at once", streams.DeadFilter{Type: "count", Reason: "permanent", Since: began}, "plain ann "},
		{"through the second", streams.DeadFilter{Through: 2}, "plain lost "},
		{"nothing", streams.DeadFilter{Type: "none"}, ""},
	} {
		got := ""
		if err := h.Client.DeadLetters(h.ctx, c.filter, func(d streams.DeadLetter) bool { got += d.ID + " "; return true }); err != nil || got != c.want {
			t.Errorf("%s: DeadLetters(%+v) = %q, %v, want %q", c.name, c.filter, got, err, c.want)
		}
	}
	for _, bad := range []streams.DeadFilter{{ID: "*"}, {Type: "a.b"}, {Pool: ">"}, {Priority: "urgent"}} {
		var invalid *tasks.InvalidError
		if err := h.Client.DeadLetters(h.ctx, bad, func(streams.DeadLetter) bool { return true }); !errors.As(err, &invalid) {
			t.Errorf("DeadLetters(%+v) = %v, want it refused", bad, err)
		}
	}
}

// More than a page, with letters that come while they are read.
func TestLettersAreReadPageByPage(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	const n = 600
	h.letters(n)
	count := 0
	err := h.Client.DeadLetters(h.ctx, streams.DeadFilter{}, func(streams.DeadLetter) bool {
		if count++; count == 1 {
			h.letter("later", "first")
		}
		return true
	})
	if err != nil || count != n {
		t.Errorf("%d letters, %v, want the %d that were there", count, err, n)
	}
}

// A server that does not answer is no empty stream.
func TestReadingWithoutAServerIsAnError(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	h.letters(1)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(h.ctx, 200*time.Millisecond)
	defer cancel()
	if events, err := h.Client.Events(ctx, "id-0"); err == nil {
		t.Errorf("Events = %v, nil, want an error", events)
	}
	if err := h.Client.DeadLetters(ctx, streams.DeadFilter{}, func(streams.DeadLetter) bool { return true }); err == nil {
		t.Error("DeadLetters = nil, want an error")
	}
}
