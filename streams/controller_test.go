package streams_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"sparkle/streams"
	"sparkle/tasks"
)

// Steered runs a worker with its controller until the test ends.
func (h *harness) steered(name string, r *tasks.Registry) *tasks.Worker {
	h.t.Helper()
	w, err := tasks.NewWorker(tasks.WorkerOptions{Source: h.source(), Registry: r, Name: name, Concurrency: 1, AckWait: h.topology.AckWait, Grace: -1})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- w.Run(ctx) }()
	go func() {
		ended <- streams.NewController(h.Client, streams.ControllerOptions{Worker: w, Version: "1.2.3"}).Run(ctx)
	}()
	h.t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, <-ended); err != nil {
			h.t.Errorf("ended with %v, want nil", err)
		}
	})
	h.until(name+" answers", func() bool {
		_, err := h.Client.Steer(h.ctx, name, streams.Order{Verb: streams.ResumeWork})
		return err == nil
	})
	return w
}

func TestAWorkerIsSteeredByItsName(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	var runs atomic.Int64
	const dotted = "host.example.com-42 *"
	h.steered(dotted, pausable(&runs))
	answer, err := h.Client.Steer(h.ctx, dotted, streams.Order{Verb: streams.Scale, Slots: 7})
	if err != nil || answer.Worker != dotted || answer.Before.Slots != 1 || answer.After.Slots != 7 {
		t.Errorf("Steer(scale 7) = %+v, %v, want from 1 to 7 slots", answer, err)
	}
	answer, err = h.Client.Steer(h.ctx, dotted, streams.Order{Verb: streams.Drain})
	if err != nil || answer.Before.Draining || !answer.After.Draining {
		t.Errorf("Steer(drain) = %+v, %v, want draining now", answer, err)
	}
	receipt := h.publish(task("a", "one"))
	other := h.steered("other", pausable(new(atomic.Int64)))
	h.ended("one", receipt.Run)
	if runs.Load() != 0 {
		t.Error("a task ran on the drained worker, want it on the other")
	}
	if err := other.Drain(h.ctx); err != nil {
		t.Fatal(err)
	}
	if answer, err = h.Client.Steer(h.ctx, dotted, streams.Order{Verb: streams.ResumeWork}); err != nil || answer.After.Draining {
		t.Errorf("Steer(resume) = %+v, %v, want not draining", answer, err)
	}
	again := h.publish(task("a", "two"))
	h.ended("two", again.Run)
	if runs.Load() != 1 {
		t.Errorf("%d tasks ran on the resumed worker, want 1", runs.Load())
	}
	workers, err := h.Client.Workers(h.ctx, signalled)
	if err != nil || len(workers) != 2 || workers[0].Draining || !workers[1].Draining {
		t.Errorf("Workers = %+v, %v, want the first working, the other draining", workers, err)
	}
}

func TestOrdersThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	w := h.steered("w1", new(tasks.Registry))
	for name, o := range map[string]streams.Order{
		"verb: want": {Verb: "explode"}, "slots: 0": {Verb: streams.Scale}, "slots: 10001": {Verb: streams.Scale, Slots: 10_001},
	} {
		if _, err := h.Client.Steer(h.ctx, "w1", o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Steer(%+v) = %v, want %q", o, err, name)
		}
	}
	var none *streams.WorkerNotFoundError
	if _, err := h.Client.Steer(h.ctx, "w2", streams.Order{Verb: streams.Drain}); !errors.As(err, &none) {
		t.Errorf("Steer of nobody = %v, want WorkerNotFoundError", err)
	}
	for _, body := range []string{"", "{}", "[]", `{"verb":"scale","slots":-1}`, `{"verb":"scale","slots":1e9}`, "\x00"} {
		m, err := h.Client.NC().RequestWithContext(h.ctx, "sparkle.workers.orders.w1", []byte(body))
		if err != nil || !strings.Contains(string(m.Data), `"error":"`) {
			t.Errorf("the answer to %q = %v, %v, want an error", body, m, err)
		}
	}
	if s := w.Stats(); s.Slots != 1 || s.Draining {
		t.Errorf("stats = %+v, want the worker as it was", s)
	}
}
