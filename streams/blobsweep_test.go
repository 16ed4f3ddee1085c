package streams_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sparkle/streams"
	"sparkle/tasks"
)

func TestTheSweepKeepsWhatIsReferredTo(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	if err := h.Client.Put(h.ctx, "picture", "image/svg+xml", []byte("<svg/>")); err != nil {
		t.Fatal(err)
	}
	large := func(id string, at time.Time) streams.Receipt {
		return h.publish(tasks.Task{Type: "carry", ID: id, Payload: incompressible(300 << 10), At: at})
	}
	want := []string{"picture"}
	for _, id := range []string{"ends", "dies"} {
		large(id, time.Time{})
	}
	stop := h.work(carrying(func(ctx context.Context, in letter) (letter, error) {
		if tasks.Current(ctx).ID == "dies" {
			return in, tasks.Permanent(errors.New("no use"))
		}
		return in, nil
	}), h.source())
	h.ended("ends", "")
	died := h.ended("dies", "")
	h.drained()
	stop()
	waits, delayed := large("waits", time.Time{}), large("delayed", time.Now().Add(time.Hour))
	names, _ := h.bucket()
	if len(names) != 6 {
		t.Fatalf("objects %v, want the picture, four payloads and a result", names)
	}
	h.sweep(0) // the young ones stay, referred to or not
	if young, _ := h.bucket(); len(young) != 6 {
		t.Errorf("objects %v after a sweep at once, want all", young)
	}
	h.sweep(25 * time.Hour)
	want = append(want, "payload."+died.Run, "payload."+waits.Run, "payload."+delayed.Run)
	names, _ = h.bucket()
	for _, name := range want {
		if !slices.Contains(names, name) {
			t.Errorf("objects %v, want %s among them", names, name)
		}
	}
	if len(names) != 5 {
		t.Errorf("objects %v, want all but the payload of what has ended", names)
	}
	if info, err := h.Client.Task(h.ctx, "ends"); err != nil || len(info.Result) < 300<<10 {
		t.Errorf("Task has a result of %d bytes (%v), want it whole", len(info.Result), err)
	}
}

func TestKilledAtEachStepOfABlobLeavesNothingForLong(t *testing.T) {
	t.Parallel()
	for step, objects := range map[string]int{"chunks sent": 0, "blob stored": 1} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			server := listening(t, t.TempDir(), "127.0.0.1:0")
			h := connected(t, server.URL())
			cmd, lines := spawn(t, "blob", server.URL()+" "+step)
			next(t, lines, "at "+step)
			h.until("its chunks are stored", func() bool {
				_, messages := h.bucket()
				return messages >= 5
			})
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Client.Task(h.ctx, "big"); !errors.Is(err, streams.ErrNotFound) {
				t.Errorf("Task = %v, want none: its publish was never reached", err)
			}
			h.sweep(time.Hour)
			if names, messages := h.bucket(); len(names) != objects || messages < 5 {
				t.Errorf("objects %v in %d messages an hour later, want %d, untouched", names, messages, objects)
			}
			h.sweep(25 * time.Hour)
			if names, messages := h.bucket(); messages != 0 {
				t.Errorf("objects %v in %d messages a day later, want none", names, messages)
			}
		})
	}
}

func TestKilledAtEachStepOfTheSweep(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"chunks purge", "description purge"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, shortLease)
			h.publish(tasks.Task{Type: "carry", ID: "kept", Payload: incompressible(300 << 10)})
			gone := h.publish(tasks.Task{Type: "carry", ID: "gone", Payload: incompressible(301 << 10)})
			stream, err := h.Client.JS().Stream(h.ctx, "SPARKLE_TASKS")
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.DeleteMsg(h.ctx, gone.Sequence); err != nil {
				t.Fatal(err)
			}
			h.Client.Fault(killOnce(step))
			mover := streams.NewMover(h.Client, streams.MoverOptions{})
			if err := mover.SweepBlobs(h.ctx, time.Now().Add(25*time.Hour)); !errors.Is(err, errKilled) {
				t.Fatalf("SweepBlobs = %v, want it killed at %s", err, step)
			}
			h.sweep(25 * time.Hour)
			if names, messages := h.bucket(); len(names) != 1 || messages != 4 {
				t.Errorf("objects %v in %d messages, want the one that is referred to, in 4", names, messages)
			}
			h.work(carrying(same), h.source())
			if result := h.ended("kept", ""); result.State != tasks.Succeeded {
				t.Errorf("ended %+v, want success", result)
			}
		})
	}
}

// A worker that dies between the result's blob and its event runs the task again
// and stores another blob; that of the first is an orphan.
func TestKilledBetweenAResultsBlobAndItsEvent(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	receipt := h.publish(tasks.Task{Type: "carry", ID: "big", Payload: incompressible(300 << 10)})
	h.Client.Fault(killOnce("blob stored"))
	var runs atomic.Int64
	h.work(carrying(func(_ context.Context, in letter) (letter, error) {
		runs.Add(1)
		return in, nil
	}), h.source())
	result := h.ended("big", receipt.Run)
	h.drained()
	if names, _ := h.bucket(); len(names) != 3 || runs.Load() != 2 {
		t.Errorf("objects %v after %d runs, want a payload and two results after two", names, runs.Load())
	}
	h.sweep(25 * time.Hour)
	if names, _ := h.bucket(); len(names) != 1 {
		t.Errorf("objects %v, want the stored result alone", names)
	}
	again := h.ended("big", receipt.Run)
	if len(result.Result) < 300<<10 || len(again.Result) != len(result.Result) {
		t.Errorf("results of %d and %d bytes, want the whole of it both times", len(result.Result), len(again.Result))
	}
}

// The movers of a fleet sweep blobs once an hour in all: the claim stands in the
// control bucket.
func TestMoversClaimTheSweepOfBlobs(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	control, err := h.Client.JS().KeyValue(h.ctx, "SPARKLE_CONTROL")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(h.ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	for range 2 {
		running.Go(func() {
			if err := streams.NewMover(h.Client, streams.MoverOptions{SweepEvery: time.Second}).Run(ctx); err != nil {
				t.Errorf("Run = %v, want nil", err)
			}
		})
	}
	swept := func(key string) uint64 {
		entry, err := control.Get(h.ctx, key)
		if err != nil {
			return 0
		}
		return entry.Revision()
	}
	h.until("blobs are swept", func() bool { return swept("sweep.blob") > 0 })
	first, tasksSwept := swept("sweep.blob"), swept("sweep")
	h.until("tasks are swept again", func() bool { return swept("sweep") > tasksSwept })
	if again := swept("sweep.blob"); again != first {
		t.Errorf("blobs were swept again within seconds: revision %d, want %d", again, first)
	}
}
