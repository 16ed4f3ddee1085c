package streams_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sparkle/streams"
	"sparkle/tasks"
)

// Pausable has the types a and b, which succeed and are counted together.
func pausable(runs *atomic.Int64) *tasks.Registry {
	var r tasks.Registry
	for _, name := range []string{"a", "b"} {
		tasks.Handle(&r, tasks.Type[number, number]{Name: name}, func(_ context.Context, in number) (number, error) {
			runs.Add(1)
			return in, nil
		})
	}
	return &r
}

func task(typ, id string) tasks.Task {
	return tasks.Task{Type: typ, ID: id, Payload: []byte(`{"n":1}`)}
}

func (h *harness) pause(t streams.PauseTarget, o streams.PauseOptions) {
	h.t.Helper()
	if _, err := h.Client.Pause(h.ctx, t, o); err != nil {
		h.t.Fatalf("Pause(%v, %+v): %v", t, o, err)
	}
}

func (h *harness) resume(t streams.PauseTarget) int {
	h.t.Helper()
	due, err := h.Client.Resume(h.ctx, t)
	if err != nil {
		h.t.Fatalf("Resume(%v): %v", t, err)
	}
	return due
}

// Paused tells which queues are.
func (h *harness) paused() string {
	h.t.Helper()
	queues, err := h.Client.Queues(h.ctx)
	if err != nil {
		h.t.Fatalf("Queues: %v", err)
	}
	var names []string
	for _, q := range queues {
		if q.Paused {
			names = append(names, string(q.Priority)+"-"+q.Pool)
		}
	}
	return strings.Join(names, " ")
}

func TestAPausedQueueWaitsThroughRestartsAndGoesOnAfterwards(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	server := listening(t, store, "127.0.0.1:0")
	h := connected(t, server.URL())
	low := streams.PauseTarget{Priority: tasks.Low}
	h.pause(low, streams.PauseOptions{By: "ann", Reason: "the provider is down"})
	var runs atomic.Int64
	source := h.source()
	stop := h.work(pausable(&runs), source)
	paused := task("a", "low")
	paused.Priority = tasks.Low
	h.publish(paused)
	other := h.publish(task("a", "default"))
	h.ended("default", other.Run)
	stop()
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	server = listening(t, store, "127.0.0.1:0")
	h = connected(t, server.URL()) // which ensures the topology too
	h.work(pausable(&runs), h.source())
	again := h.publish(task("a", "default"))
	h.ended("default", again.Run)
	queues, err := h.Client.Queues(h.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if q := queues[2]; !q.Paused || q.Waiting != 1 || q.Pause == nil || q.Pause.By != "ann" || q.Pause.Reason != "the provider is down" {
		t.Errorf("queue after the restarts = %+v, want it paused by ann with one task waiting", q)
	}
	if runs.Load() != 2 {
		t.Errorf("%d tasks ran, want the two of the other queue", runs.Load())
	}
	h.resume(low)
	if result := h.ended("low", ""); result.State != tasks.Succeeded {
		t.Errorf("after the resume it ended %+v, want success", result)
	}
}

func TestAConsumerMadeAnewIsPausedAgain(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	h.pause(streams.PauseTarget{Priority: tasks.Default, Pool: tasks.MainPool}, streams.PauseOptions{})
	var runs atomic.Int64
	h.work(pausable(&runs), h.source())
	h.publish(task("a", "one"))
	if err := h.Client.JS().DeleteConsumer(h.ctx, "SPARKLE_TASKS", "default-main"); err != nil {
		t.Fatal(err)
	}
	h.until("the consumer is there again, paused", func() bool { return h.paused() == "default-main" })
	h.pause(streams.PauseTarget{Pool: "gpu"}, streams.PauseOptions{}) // that has no consumer yet
	if _, err := h.Client.Ensure(h.ctx, streams.Topology{Pools: []string{"gpu", tasks.MainPool}, AckWait: time.Second}); err != nil {
		t.Fatal(err)
	}
	if got := h.paused(); got != "high-gpu default-gpu default-main low-gpu" {
		t.Errorf("after Ensure paused are %q, want those of gpu and default-main", got)
	}
	if runs.Load() != 0 {
		t.Error("a task of the paused queue ran")
	}
}

func TestPausesThatOverlapEndEachByItself(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{Pools: []string{"main", "gpu"}})
	high, gpu := streams.PauseTarget{Priority: tasks.High}, streams.PauseTarget{Pool: "gpu"}
	h.pause(high, streams.PauseOptions{Until: time.Now().Add(time.Hour)})
	h.pause(gpu, streams.PauseOptions{})
	if got := h.paused(); got != "high-gpu high-main default-gpu low-gpu" {
		t.Errorf("paused = %q, want both targets", got)
	}
	h.resume(gpu)
	if got := h.paused(); got != "high-gpu high-main" {
		t.Errorf("paused after one resume = %q, want the queues of high", got)
	}
	h.resume(high)
	h.resume(high)
	if got := h.paused(); got != "" {
		t.Errorf("paused after both resumes = %q, want none", got)
	}
}

func TestAPauseEndsByItself(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	var runs atomic.Int64
	h.pause(streams.PauseTarget{Priority: tasks.Default}, streams.PauseOptions{}) // which the next one replaces
	h.pause(streams.PauseTarget{Priority: tasks.Default}, streams.PauseOptions{Until: time.Now().Add(1500 * time.Millisecond)})
	h.work(pausable(&runs), h.source())
	receipt := h.publish(task("a", "one"))
	if h.paused() != "default-main" {
		t.Errorf("paused = %q, want default-main", h.paused())
	}
	h.ended("one", receipt.Run)
	h.until("the entry is gone too", func() bool {
		pauses, err := h.Client.Pauses(h.ctx)
		return err == nil && len(pauses) == 0
	})
}

func TestAPausedQueueLeavesTheWorkerReady(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	for _, p := range tasks.Priorities() {
		h.pause(streams.PauseTarget{Priority: p}, streams.PauseOptions{})
	}
	source := h.source()
	h.work(pausable(new(atomic.Int64)), source)
	h.until("a pull was answered", func() bool { return !source.LastPull().IsZero() })
	first := source.LastPull()
	h.until("pulls are answered while all is paused", func() bool { return source.LastPull().After(first.Add(time.Second)) })
}

func TestATypeIsPausedInAllItsQueues(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	var runs atomic.Int64
	paused := streams.PauseTarget{Type: "a"}
	h.pause(paused, streams.PauseOptions{})
	stop := h.work(pausable(&runs), h.source())
	var ids []string
	for _, p := range tasks.Priorities() {
		one := task("a", "a-"+string(p))
		one.Priority = p
		h.publish(one)
		ids = append(ids, one.ID)
	}
	other := h.publish(task("b", "b"))
	h.ended("b", other.Run)
	for _, id := range ids {
		h.until(id+" is parked", func() bool { return h.states(id) == "parked" })
		info, err := h.Client.Task(h.ctx, id)
		if err != nil || info.Reason != tasks.ReasonPaused || time.Until(*info.Due) > 5*time.Minute {
			t.Errorf("Task(%s) = %+v, %v, want parked as paused, due within 5 minutes", id, info, err)
		}
	}
	stop()
	stop = h.work(pausable(&runs), h.source()) // told before it opens its queues
	h.publish(task("a", "later"))
	h.until("it is parked too", func() bool { return h.states("later") == "parked" })
	if runs.Load() != 1 {
		t.Errorf("%d tasks ran, want the one of the other type", runs.Load())
	}
	if due := h.resume(paused); due != 4 {
		t.Errorf("Resume made %d tasks due, want 4", due)
	}
	for _, id := range append(ids, "later") {
		if result := h.ended(id, ""); result.State != tasks.Succeeded || result.Attempt != 1 {
			t.Errorf("%s ended %+v, want success at attempt 1", id, result)
		}
	}
	stop()
}

func TestPauseRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	for name, row := range map[string]struct {
		target  streams.PauseTarget
		options streams.PauseOptions
		want    string
	}{
		"nothing":        {want: "target: want a priority, a pool or a type"},
		"type and pool":  {target: streams.PauseTarget{Type: "a", Pool: "main"}, want: "target: want a type, or"},
		"a priority":     {target: streams.PauseTarget{Priority: "top"}, want: "priority: want high, default or low"},
		"a pool":         {target: streams.PauseTarget{Pool: "*"}, want: "pool: want 1 to 128"},
		"a type":         {target: streams.PauseTarget{Type: "a.b"}, want: "type: want 1 to 128"},
		"the past":       {target: streams.PauseTarget{Pool: "main"}, options: streams.PauseOptions{Until: time.Now()}, want: "until: want a time at least a second ahead"},
		"an endless why": {target: streams.PauseTarget{Pool: "main"}, options: streams.PauseOptions{Reason: strings.Repeat("x", 300)}, want: "reason: want at most 256 bytes"},
	} {
		_, err := h.Client.Pause(h.ctx, row.target, row.options)
		if invalid := (*tasks.InvalidError)(nil); !errors.As(err, &invalid) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: Pause = %v, want %q", name, err, row.want)
		}
	}
	if _, err := h.Client.Resume(h.ctx, streams.PauseTarget{}); err == nil {
		t.Error("Resume of nothing = nil, want a refusal")
	}
}

func TestHurryMakesADelayedTaskDueAndOnlyOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	var runs atomic.Int64
	h.work(pausable(&runs), h.source())
	for _, id := range []string{"one", "two", "three"} {
		later := task("a", id)
		later.At = time.Now().Add(time.Hour)
		h.publish(later)
		for range 3 { // of which the second and third may find it fired
			if err := h.Client.Hurry(h.ctx, id); err != nil && !errors.Is(err, streams.ErrNotDelayed) && !errors.Is(err, tasks.ErrEnded) {
				t.Errorf("Hurry(%s) = %v, want nil", id, err)
			}
		}
		if result := h.ended(id, ""); result.State != tasks.Succeeded {
			t.Errorf("%s ended %+v, want success", id, result)
		}
	}
	h.drained()
	if runs.Load() != 3 {
		t.Errorf("%d runs, want one for each of the 3 tasks", runs.Load())
	}
	if err := h.Client.Hurry(h.ctx, "one"); !errors.Is(err, tasks.ErrEnded) {
		t.Errorf("Hurry of an ended task = %v, want ErrEnded", err)
	}
	if err := h.Client.Hurry(h.ctx, "none"); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("Hurry of nothing = %v, want ErrNotFound", err)
	}
	h.pause(streams.PauseTarget{Pool: "main"}, streams.PauseOptions{})
	h.publish(task("a", "waits"))
	if err := h.Client.Hurry(h.ctx, "waits"); !errors.Is(err, streams.ErrNotDelayed) {
		t.Errorf("Hurry of a waiting task = %v, want ErrNotDelayed", err)
	}
}
