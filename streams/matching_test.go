package streams_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sparkle/streams"
	"sparkle/tasks"
)

// Publish many tasks at once, as fast as the server takes them.
func (h *harness) publishMany(n int, one func(i int) tasks.Task) {
	h.t.Helper()
	p := h.publisher(streams.PublisherOptions{})
	var publishing sync.WaitGroup
	slots := make(chan struct{}, 32)
	for i := range n {
		slots <- struct{}{}
		publishing.Go(func() {
			defer func() { <-slots }()
			if _, err := p.Publish(h.ctx, one(i)); err != nil {
				h.t.Errorf("Publish: %v", err)
			}
		})
	}
	publishing.Wait()
}

func TestThousandsAreCancelledWhileTheyRun(t *testing.T) {
	t.Parallel()
	cancelRunning(t, 2_000)
}

// CancelRunning cancels count tasks that run on ten workers.
func cancelRunning(t *testing.T, count int) {
	t.Helper()
	const workers = 10
	h := newHarness(t, streams.Topology{})
	var started, stopped atomic.Int64
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[number, number]{Name: "long"}, func(ctx context.Context, in number) (number, error) {
		started.Add(1)
		<-ctx.Done()
		stopped.Add(1)
		return in, context.Cause(ctx)
	})
	for i := range workers {
		h.work(&r, h.source(), func(o *tasks.WorkerOptions) { o.Name, o.Concurrency = fmt.Sprint("w", i), count/workers })
	}
	h.publishMany(count, func(i int) tasks.Task { return long(fmt.Sprint("t", i)) })
	h.publish(tasks.Task{Type: "long", ID: "spared", Priority: tasks.High, Pool: "other", Payload: []byte(`{"n":1}`)})
	// A worker whose slots are all taken has one more leased ahead.
	h.until("all run, but for what is leased ahead", func() bool { return started.Load() >= int64(count-workers) })
	running := started.Load()
	steps := 0
	n, err := h.Client.CancelMatching(h.ctx, streams.ListFilter{Pool: "main"}, streams.MatchingOptions{
		By: "ann", Progress: func(int) { steps++ },
	})
	if n != count || err != nil || steps < 4 {
		t.Errorf("CancelMatching = %d, %v in %d steps, want %d in 4 or more", n, err, steps, count)
	}
	h.until("every handler is stopped", func() bool { return stopped.Load() == started.Load() })
	h.drained()
	if spared, err := h.Client.Task(h.ctx, "spared"); err != nil || spared.State != tasks.Waiting {
		t.Errorf("Task(spared) = %+v, %v, want it waiting", spared, err)
	}
	if late := started.Load() - running; late > workers {
		t.Errorf("%d handlers were started after the cancellation, want none", late)
	}
	if again, err := h.Client.CancelMatching(h.ctx, streams.ListFilter{Pool: "main"}, streams.MatchingOptions{}); again != 0 || err != nil {
		t.Errorf("CancelMatching again = %d, %v, want none", again, err)
	}
}

func TestCancelMatchingHeedsItsFilter(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{Pools: []string{"main", "gpu"}})
	begun := time.Now()
	for i, row := range []tasks.Task{
		{Type: "a", ID: "plain"},
		{Type: "b", ID: "typed"},
		{Type: "a", ID: "user-1", User: "ann"},
		{Type: "a", ID: "high", Priority: tasks.High},
		{Type: "a", ID: "gpu", Pool: "gpu"},
		{Type: "a", ID: "later", At: begun.Add(time.Hour)},
	} {
		row.Payload = fmt.Appendf(nil, `{"n":%d}`, i)
		h.publish(row)
	}
	dry := func(f streams.ListFilter) int {
		t.Helper()
		n, err := h.Client.CancelMatching(h.ctx, f, streams.MatchingOptions{DryRun: true})
		if err != nil {
			t.Errorf("CancelMatching(%+v): %v", f, err)
		}
		return n
	}
	for name, row := range map[string]struct {
		filter streams.ListFilter
		want   int
	}{
		"all":              {streams.ListFilter{}, 6},
		"a type":           {streams.ListFilter{Type: "b"}, 1},
		"a user":           {streams.ListFilter{User: "ann"}, 1},
		"a priority":       {streams.ListFilter{Priority: tasks.High}, 1},
		"a pool":           {streams.ListFilter{Pool: "gpu"}, 1},
		"a prefix":         {streams.ListFilter{Prefix: "user-"}, 1},
		"a state":          {streams.ListFilter{State: tasks.Scheduled}, 1},
		"waiting":          {streams.ListFilter{State: tasks.Waiting}, 5},
		"since now":        {streams.ListFilter{Since: time.Now().Add(time.Hour)}, 0},
		"since the start":  {streams.ListFilter{Since: begun.Add(-time.Minute)}, 6},
		"type and user":    {streams.ListFilter{Type: "b", User: "ann"}, 0},
		"one that is none": {streams.ListFilter{Type: "c"}, 0},
	} {
		if got := dry(row.filter); got != row.want {
			t.Errorf("%s: %d match, want %d", name, got, row.want)
		}
	}
	for name, f := range map[string]streams.ListFilter{
		"state": {State: tasks.Dead}, "type": {Type: ">"}, "pool": {Pool: "*"}, "priority": {Priority: "top"},
	} {
		if _, err := h.Client.CancelMatching(h.ctx, f, streams.MatchingOptions{}); err == nil || !strings.Contains(err.Error(), name+": want") {
			t.Errorf("CancelMatching(%+v) = %v, want a refusal that names %s", f, err, name)
		}
	}
	if n, err := h.Client.CancelMatching(h.ctx, streams.ListFilter{Type: "a"}, streams.MatchingOptions{Reason: "all of a"}); n != 5 || err != nil {
		t.Errorf("CancelMatching = %d, %v, want 5", n, err)
	}
	if left := dry(streams.ListFilter{}); left != 1 {
		t.Errorf("%d are left, want the one of type b", left)
	}
	if result := h.ended("later", ""); result.State != tasks.Cancelled || result.Note != "all of a" {
		t.Errorf("the scheduled one ended %+v, want cancelled, and told why", result)
	}
}

func TestAPurgeSparesWhatAWorkerWasGiven(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	started, causes := make(chan string, 9), make(chan error, 9)
	h.work(stoppable(started, causes), h.source(), func(o *tasks.WorkerOptions) { o.Concurrency = 1 })
	h.publish(long("runs"))
	<-started
	h.publish(long("ahead"))
	h.until("one is leased ahead", func() bool {
		queues, err := h.Client.Queues(h.ctx)
		return err == nil && queues[1].Running == 2
	})
	for i := range 5 {
		h.publish(long(fmt.Sprint("waits-", i)))
	}
	later := long("later")
	later.At = time.Now().Add(time.Hour)
	h.publish(later)
	n, err := h.Client.CancelMatching(h.ctx, streams.ListFilter{Priority: tasks.Default, Pool: "main"},
		streams.MatchingOptions{Unstarted: true, Reason: "purged"})
	if n != 6 || err != nil {
		t.Errorf("CancelMatching = %d, %v, want the 6 that no worker was given", n, err)
	}
	if len(causes) != 0 || h.states("runs") != "" || h.states("ahead") != "" {
		t.Errorf("events of those given to a worker: %q and %q, want none", h.states("runs"), h.states("ahead"))
	}
	h.cancel("ahead", tasks.CancelOptions{})
	h.cancel("runs", tasks.CancelOptions{})
	h.drained()
}
