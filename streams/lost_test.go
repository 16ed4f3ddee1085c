package streams_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"sparkle/streams"
	"sparkle/tasks"
)

// Hold takes deliveries of a queue and neither settles nor extends them, as a
// process does that hangs or dies, until n have come.
func (h *harness) hold(n int) []*tasks.Delivery {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.ctx)
	defer cancel()
	came := make(chan *tasks.Delivery, n+1)
	tap, err := h.source().Open(ctx, tasks.Queue{Priority: tasks.Default, Pool: tasks.MainPool}, func(d *tasks.Delivery) { came <- d })
	if err != nil {
		h.t.Fatal(err)
	}
	var held []*tasks.Delivery
	for len(held) < n {
		tap.Want(1)
		select {
		case d := <-came:
			held = append(held, d)
		case <-h.ctx.Done():
			h.t.Fatalf("only %d of %d deliveries came", len(held), n)
		}
	}
	if err := tap.Drain(ctx); err != nil {
		h.t.Fatal(err)
	}
	return held
}

func TestALostLeaseRunsElsewhereAndCountsApart(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	receipt := h.publish(tasks.Task{Type: "count", ID: "one", Payload: []byte(`{"n":1}`)})
	if d := h.hold(1)[0]; d.Attempt != 1 || d.Lost != 0 {
		t.Errorf("first delivery: attempt %d, lost %d; want 1, 0", d.Attempt, d.Lost)
	}
	var lost, attempt atomic.Int64
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[number, number]{Name: "count"}, func(ctx context.Context, in number) (number, error) {
		lost.Store(int64(tasks.Current(ctx).Lost))
		attempt.Store(int64(tasks.Current(ctx).Attempt))
		return in, nil
	})
	h.work(&r, h.source())
	h.ended(receipt.ID, receipt.Run)
	if lost.Load() != 1 || attempt.Load() != 1 {
		t.Errorf("second delivery: attempt %d, lost %d; want 1, 1", attempt.Load(), lost.Load())
	}
}

func TestTooManyLostLeasesBuryWithoutAnotherRun(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{AckWait: 200 * time.Millisecond})
	receipt := h.publish(tasks.Task{Type: "count", ID: "killer", Payload: []byte(`{"n":1}`)})
	h.hold(2)
	var runs atomic.Int64
	h.work(counting(&runs), h.source(), func(o *tasks.WorkerOptions) { o.MaxLost = 2 })
	result := h.ended(receipt.ID, receipt.Run)
	h.drained()
	letters := h.deadLetters("killer")
	if result.Reason != tasks.ReasonLeaseLost || runs.Load() != 0 || len(letters) != 1 || letters[0].Reason != tasks.ReasonLeaseLost {
		t.Errorf("ended %+v after %d runs with letters %+v, want buried as lease lost without a run", result, runs.Load(), letters)
	}
}

func (h *harness) move(o streams.MoverOptions) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- streams.NewMover(h.Client, o).Run(ctx) }()
	h.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Errorf("Run = %v, want nil", err)
		}
	})
}

// GiveUp lets a task run out of deliveries.
func (h *harness) giveUp(id string) streams.Receipt {
	h.t.Helper()
	receipt := h.publish(tasks.Task{Type: "count", ID: id, User: "ann", Payload: []byte(`{"n":1}`)})
	h.hold(h.topology.MaxDeliver)
	return receipt
}

var givesUp = streams.Topology{AckWait: 150 * time.Millisecond, MaxDeliver: 2}

// The server tells of a task that it gives up only while a pull is open.
func TestTheMoverBuriesWhatTheServerGaveUp(t *testing.T) {
	t.Parallel()
	h := newHarness(t, givesUp)
	receipt := h.giveUp("gone")
	var runs atomic.Int64
	h.work(counting(&runs), h.source())
	h.move(streams.MoverOptions{SweepEvery: time.Hour})
	result := h.ended(receipt.ID, receipt.Run)
	h.drained()
	h.until("the letter is stored", func() bool { return len(h.deadLetters("gone")) == 1 })
	letter := h.deadLetters("gone")[0]
	if result.Reason != tasks.ReasonLeaseLost || runs.Load() != 0 || letter.Run != receipt.Run || letter.User != "ann" || string(letter.Payload) != `{"n":1}` {
		t.Errorf("ended %+v after %d runs with letter %+v, want the whole task buried as lease lost", result, runs.Load(), letter)
	}
	h.publish(tasks.Task{Type: "count", ID: "gone", Payload: []byte(`{"n":1}`)}) // its id is free again
}

func TestTheSweepBuriesWhatNoAdvisoryTold(t *testing.T) {
	t.Parallel()
	h := newHarness(t, givesUp)
	receipt := h.giveUp("silent")
	stream, err := h.Client.JS().Stream(h.ctx, "SPARKLE_ADVISORIES")
	if err != nil {
		t.Fatal(err)
	}
	var runs atomic.Int64
	h.work(counting(&runs), h.source())
	h.until("the advisory came and is lost", func() bool {
		info, err := stream.Info(h.ctx)
		return err == nil && info.State.Msgs > 0 && stream.Purge(h.ctx) == nil
	})
	// Beside it stands what must be left alone.
	other := h.publish(tasks.Task{Type: "later_type", ID: "parked", Payload: []byte(`{"n":1}`)})
	mover := streams.NewMover(h.Client, streams.MoverOptions{})
	h.until("the sweep finds it", func() bool {
		if err := mover.Sweep(h.ctx); err != nil {
			t.Fatalf("Sweep: %v", err)
		}
		return len(h.deadLetters("")) > 0
	})
	letters := h.deadLetters("")
	if len(letters) != 1 || letters[0].Run != receipt.Run || letters[0].Reason != tasks.ReasonLeaseLost {
		t.Errorf("dead letters %+v, want only run %s as lease lost", letters, receipt.Run)
	}
	if info, err := h.Client.Task(h.ctx, other.ID); err != nil || info.State.Terminal() {
		t.Errorf("Task(%s) = %+v, %v, want it alive", other.ID, info, err)
	}
}

// The sweep runs by itself, once for all movers.
func TestSweepsRunByThemselves(t *testing.T) {
	t.Parallel()
	h := newHarness(t, givesUp)
	receipt := h.giveUp("unswept")
	var runs atomic.Int64
	stop := h.work(counting(&runs), h.source())
	h.until("the server has given it up", func() bool {
		queues, err := h.Client.Queues(h.ctx)
		return err == nil && queues[1].Running == 0
	})
	stop()
	stream, err := h.Client.JS().Stream(h.ctx, "SPARKLE_ADVISORIES")
	if err != nil || stream.Purge(h.ctx) != nil {
		t.Fatal("advisories not purged")
	}
	h.move(streams.MoverOptions{SweepEvery: time.Second})
	h.move(streams.MoverOptions{SweepEvery: time.Second})
	if result := h.ended(receipt.ID, receipt.Run); result.Reason != tasks.ReasonLeaseLost {
		t.Errorf("ended %+v, want buried as lease lost", result)
	}
	h.until("the letter is stored", func() bool { return len(h.deadLetters("unswept")) == 1 })
}

// The same id may live again: what the first run left behind says nothing about
// the second, neither its death nor its crashes.
func TestTheSameIDAgainTomorrow(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{AckWait: 200 * time.Millisecond})
	var lost atomic.Int64
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[number, number]{Name: "count", Retry: tasks.Retry{Attempts: 1}}, func(ctx context.Context, in number) (number, error) {
		lost.Store(int64(tasks.Current(ctx).Lost))
		if in.N == 0 {
			return in, fail(1)
		}
		return in, nil
	})
	runs := map[string]bool{}
	for life, payload := range []string{`{"n":0}`, `{"n":1}`, `{"n":0}`} {
		receipt := h.publish(tasks.Task{Type: "count", ID: "daily", Payload: []byte(payload)})
		runs[receipt.Run] = true
		h.hold(life) // each life crashes one time more than the last
		stop := h.work(&r, h.source())
		result := h.ended("daily", receipt.Run)
		h.drained()
		stop()
		if want := payload == `{"n":1}`; (result.State == tasks.Succeeded) != want || lost.Load() != int64(life) {
			t.Errorf("life %d ended %s with %d lost leases, want success %v with %d", life, result.State, lost.Load(), want, life)
		}
	}
	letters := h.deadLetters("daily")
	if len(runs) != 3 || len(letters) != 2 || letters[0].Run == letters[1].Run {
		t.Errorf("%d runs, letters %+v; want 3 and a letter each for two of them", len(runs), letters)
	}
}

// However often a task is handed back, the server does not give it up.
func TestHandedBackMoreOftenThanTheServerDelivers(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{AckWait: 500 * time.Millisecond, MaxDeliver: 4})
	receipt := h.publish(tasks.Task{Type: "count", ID: "patient", Payload: []byte(`{"n":1}`)})
	for i := range 10 {
		d := h.hold(1)[0]
		if d.Lost != 0 || d.Attempt != 1 || d.Run != receipt.Run {
			t.Errorf("delivery %d: attempt %d, lost %d, run %s; want 1, 0, %s", i, d.Attempt, d.Lost, d.Run, receipt.Run)
		}
		if err := d.Lease.Settle(h.ctx, tasks.Outcome{State: tasks.Returned}); err != nil {
			t.Fatalf("hand back: %v", err)
		}
	}
	var runs atomic.Int64
	h.work(counting(&runs), h.source())
	h.move(streams.MoverOptions{SweepEvery: time.Second})
	if result := h.ended(receipt.ID, receipt.Run); result.State != tasks.Succeeded || runs.Load() != 1 {
		t.Errorf("ended %+v after %d runs, want success after one", result, runs.Load())
	}
	h.drained()
	if letters := h.deadLetters(""); len(letters) != 0 {
		t.Errorf("dead letters %+v, want none", letters)
	}
}
