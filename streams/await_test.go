package streams_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sparkle/streams"
	"sparkle/tasks"
)

func TestAwaitWithoutATaskSaysSo(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	if _, err := h.Client.Await(h.ctx, "nobody", ""); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("Await of an unknown id = %v, want ErrNotFound", err)
	}
	if _, err := h.Client.Await(h.ctx, "a.b", ""); err == nil {
		t.Error("Await of a bad id = nil, want an error")
	}
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	h.publish(tasks.Task{Type: "count", ID: "idle"})
	ctx, cancel := context.WithTimeout(h.ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := h.Client.Await(ctx, "idle", ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Await = %v, want DeadlineExceeded", err)
	}
}

func TestManyWaitForOneResult(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	receipt := h.publish(tasks.Task{Type: "count", Payload: []byte(`{"n":7}`)})
	var waiting sync.WaitGroup
	for range 20 {
		waiting.Go(func() {
			if result, err := h.Client.Await(h.ctx, receipt.ID, receipt.Run); err != nil || string(result.Result) != `{"n":7}` {
				t.Errorf("Await = %+v, %v, want the result", result, err)
			}
		})
	}
	var runs atomic.Int64
	h.work(counting(&runs), h.source())
	waiting.Wait()
}

// The outcome of a run is not taken for that of the id's next run.
func TestAwaitTellsRunsApart(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	var runs atomic.Int64
	stop := h.work(counting(&runs), h.source())
	first := h.publish(tasks.Task{Type: "count", ID: "again", Payload: []byte(`{"n":1}`)})
	h.ended(first.ID, first.Run)
	h.drained()
	stop()
	h.publish(tasks.Task{Type: "count", ID: "again", Payload: []byte(`{"n":2}`)})
	ctx, cancel := context.WithTimeout(h.ctx, 50*time.Millisecond)
	defer cancel()
	if result, err := h.Client.Await(ctx, "again", ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Await of the second run = %+v, %v, want it to wait", result, err)
	}
	h.work(counting(&runs), h.source())
	if result := h.ended("again", ""); string(result.Result) != `{"n":2}` {
		t.Errorf("second run ended %+v, want its own result", result)
	}
	if result := h.ended("again", first.Run); string(result.Result) != `{"n":1}` {
		t.Errorf("first run ended %+v, want its own result still", result)
	}
}

// A worker that was cut off tells that it runs after another has ended the run.
func TestALateReportDoesNotReviveARun(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	receipt := h.publish(tasks.Task{Type: "count", ID: "one", Payload: []byte(`{"n":1}`)})
	zombie := h.hold(1)[0]
	var runs atomic.Int64
	h.work(counting(&runs), h.source())
	h.ended("one", receipt.Run)
	h.drained()
	zombie.Lease.Report(tasks.Report{Worker: "zombie", Started: time.Now()})
	h.until("the report is stored", func() bool {
		events, err := h.Client.Events(h.ctx, "one")
		return err == nil && events[len(events)-1].Worker == "zombie"
	})
	info, err := h.Client.Task(h.ctx, "one")
	if result := h.ended("one", receipt.Run); err != nil || info.State != tasks.Succeeded || result.State != tasks.Succeeded {
		t.Errorf("after the report: task %+v (%v), result %+v; want succeeded", info, err, result)
	}
	err = zombie.Lease.Settle(h.ctx, tasks.Outcome{State: tasks.Retrying, Error: "too late", At: time.Now()})
	info, _ = h.Client.Task(h.ctx, "one")
	if result := h.ended("one", receipt.Run); info.State != tasks.Succeeded || result.State != tasks.Succeeded {
		t.Errorf("after a late settlement (%v): task %+v, result %+v; want still succeeded", err, info, result)
	}
	h.drained()
	if runs.Load() != 1 {
		t.Errorf("%d runs, want 1", runs.Load())
	}
}

// A worker and a waiting client ride through a restart of the server.
func TestWorkAndAwaitGoOnAfterARestart(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	server := listening(t, store, "127.0.0.1:0")
	address := server.URL()[len("nats://"):]
	h := connected(t, server.URL())
	entered, goOn := make(chan struct{}, 10), make(chan struct{})
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[number, number]{Name: "count"}, func(ctx context.Context, in number) (number, error) {
		entered <- struct{}{}
		select {
		case <-goOn:
		case <-ctx.Done():
			return in, ctx.Err()
		}
		return in, nil
	})
	h.work(&r, h.source())
	receipt := h.publish(tasks.Task{Type: "count", Payload: []byte(`{"n":1}`)})
	<-entered
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	listening(t, store, address)
	close(goOn)
	if result := h.ended(receipt.ID, receipt.Run); result.State != tasks.Succeeded {
		t.Errorf("ended %+v, want success after the restart", result)
	}
	next := h.publish(tasks.Task{Type: "count", Payload: []byte(`{"n":2}`)})
	if result := h.ended(next.ID, next.Run); result.State != tasks.Succeeded {
		t.Errorf("the next task ended %+v, want success", result)
	}
}

// An event passes listeners before it is stored, so one that comes between the
// two is neither heard nor read at first. Each wait would then last for 5 s, and
// all of them longer than this test.
func TestAwaitFindsTheEventThatItJustMissed(t *testing.T) {
	t.Parallel()
	h := connected(t, listening(t, t.TempDir(), "127.0.0.1:0").URL())
	var runs atomic.Int64
	h.work(counting(&runs), h.source())
	p := h.publisher(streams.PublisherOptions{})
	ctx, cancel := context.WithTimeout(h.ctx, 30*time.Second)
	defer cancel()
	for i := range 50 {
		receipt, err := p.Publish(ctx, tasks.Task{Type: "count", Payload: []byte(`{"n":7}`)})
		if err != nil {
			t.Fatalf("Publish: %v", err)
		}
		if _, err := p.Await(ctx, receipt.ID, receipt.Run); err != nil {
			t.Fatalf("Await of task %d = %v, want its result", i, err)
		}
	}
}
