package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"sparkle/tasks"
)

func TestNewWorkerRefusesBadOptions(t *testing.T) {
	t.Parallel()
	registry, memory := new(tasks.Registry), tasks.NewMemory(tasks.MemoryOptions{})
	good := tasks.WorkerOptions{Source: memory, Registry: registry}
	for name, row := range map[string]struct {
		change func(*tasks.WorkerOptions)
		want   string
	}{
		"the defaults":       {func(*tasks.WorkerOptions) {}, ""},
		"no source":          {func(o *tasks.WorkerOptions) { o.Source = nil }, "new worker: needs a Source and a Registry"},
		"no registry":        {func(o *tasks.WorkerOptions) { o.Registry = nil }, "new worker: needs a Source and a Registry"},
		"negative slots":     {func(o *tasks.WorkerOptions) { o.Concurrency = -1 }, "new worker: concurrency: -1 is not within 1 to 10000"},
		"too many slots":     {func(o *tasks.WorkerOptions) { o.Concurrency = 10_001 }, "new worker: concurrency: 10001 is not within 1 to 10000"},
		"a short ack wait":   {func(o *tasks.WorkerOptions) { o.AckWait = 99 * time.Millisecond }, "new worker: ack_wait: 99ms is less than 100ms"},
		"a negative stuck":   {func(o *tasks.WorkerOptions) { o.Stuck = -1 }, "new worker: stuck: -1ns is negative"},
		"negative losses":    {func(o *tasks.WorkerOptions) { o.MaxLost = -1 }, "new worker: max_lost: -1 is less than 1"},
		"a weight of zero":   {func(o *tasks.WorkerOptions) { o.Weights = tasks.Weights{High: 1, Low: 1} }, "new worker: weights: {1 0 1}: each must be at least 1"},
		"a bad pool":         {func(o *tasks.WorkerOptions) { o.Pools = []string{"main", "a.b"} }, `new worker: pools: "a.b" is not 1 to 128 letters, digits, _ or -`},
		"a bad priority":     {func(o *tasks.WorkerOptions) { o.Priorities = []tasks.Priority{"urgent"} }, `new worker: priorities: "urgent" is none of high, default, low`},
		"strict weighs self": {func(o *tasks.WorkerOptions) { o.Strict = true; o.Weights = tasks.Weights{High: 1} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := good
			row.change(&o)
			if _, err := tasks.NewWorker(o); fmt.Sprint(err) != row.want && (err != nil || row.want != "") {
				t.Errorf("NewWorker = %v, want %q", err, row.want)
			}
		})
	}
}

func TestNewWorkerRefusesMetricsThatAreRegistered(t *testing.T) {
	t.Parallel()
	o := tasks.WorkerOptions{
		Source: tasks.NewMemory(tasks.MemoryOptions{}), Registry: new(tasks.Registry), Metrics: prometheus.NewRegistry(),
	}
	if _, err := tasks.NewWorker(o); err != nil {
		t.Fatalf("NewWorker: %v", err)
	}
	worker, err := tasks.NewWorker(o)
	if !errors.As(err, new(prometheus.AlreadyRegisteredError)) || worker != nil {
		t.Errorf("a second NewWorker = %v, %v, want no worker and AlreadyRegisteredError", worker, err)
	}
}

// A closed source opens no queue but those of high priority.
type closed struct{ tasks.Source }

func (c closed) Open(ctx context.Context, q tasks.Queue, deliver func(*tasks.Delivery)) (tasks.Tap, error) {
	if q.Priority != tasks.High {
		return nil, errBoom
	}
	return c.Source.Open(ctx, q, deliver)
}

func TestRunSaysWhichQueueDoesNotOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		worker, err := tasks.NewWorker(tasks.WorkerOptions{
			Source: closed{tasks.NewMemory(tasks.MemoryOptions{})}, Registry: new(tasks.Registry),
		})
		if err != nil {
			t.Fatalf("NewWorker: %v", err)
		}
		err = worker.Run(t.Context())
		if !errors.Is(err, errBoom) || err.Error() != "open queue default-main: boom" {
			t.Errorf("Run() = %v, want open queue default-main: boom", err)
		}
	})
}

func TestConcurrencyIsNeverExceededAndIsUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int64
		r := start(t, tasks.WorkerOptions{Concurrency: 7, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			n := running.Add(1)
			defer running.Add(-1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			return pause(ctx, time.Second)
		})})
		begun := time.Now()
		var ids []string
		for i := range 70 {
			ids = append(ids, r.publish(tasks.Task{Priority: tasks.Priorities()[i%3]}))
		}
		passes(10*time.Second + time.Millisecond)
		for _, id := range ids {
			r.wantHistory(id, "succeeded/1")
		}
		if most.Load() != 7 {
			t.Errorf("%d handlers ran at a time, want 7", most.Load())
		}
		if took := time.Since(begun); took > 11*time.Second {
			t.Errorf("70 tasks of 1s took %v, want 10s", took)
		}
	})
}

func TestAnIdleWorkerTakesABurstOfOneQueueAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, tasks.WorkerOptions{Concurrency: 50, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			return pause(ctx, time.Minute)
		})})
		for range 100 {
			r.publish(tasks.Task{Priority: tasks.Low})
		}
		synctest.Wait()
		if s := r.worker.Stats(); len(s.Running) != 50 || s.Leased != 51 {
			t.Errorf("%d run and %d are leased, want 50 and one more", len(s.Running), s.Leased)
		}
		r.stop()
	})
}

func TestSlowRunsLeaseOneAheadAndFastOnesMany(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		run         time.Duration
		slots       int
		amount      int
		least, most int // leased and not running, at the height
	}{
		"slow":       {time.Minute, 4, 40, 1, 1},
		"10 ms":      {10 * time.Millisecond, 4, 400, 15, 20},
		"1 us":       {time.Microsecond, 4, 4000, 230, 250},
		"many slots": {time.Second, 100, 2000, 5, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &rig{T: t, memory: tasks.NewMemory(tasks.MemoryOptions{})}
				for range row.amount {
					r.publish(tasks.Task{})
				}
				r.start(tasks.WorkerOptions{
					Concurrency: row.slots, Priorities: []tasks.Priority{tasks.Default},
					Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error { return pause(ctx, row.run) }),
				})
				ahead := 0
				passes(row.run / 2)
				for range row.amount / row.slots {
					s := r.worker.Stats()
					ahead = max(ahead, s.Leased-len(s.Running))
					passes(row.run)
				}
				r.stop()
				// One more may be on its way while the number is set anew.
				if ahead < row.least || ahead > row.most+1 {
					t.Errorf("%d tasks were leased ahead, want %d to %d", ahead, row.least, row.most)
				}
			})
		})
	}
}

func TestPoolsOfOnePriorityAreServedInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var order []string
		r := &rig{T: t, memory: tasks.NewMemory(tasks.MemoryOptions{})}
		for _, pool := range []string{"a", "b", "c", "unserved"} {
			for range 10 {
				r.publish(tasks.Task{Pool: pool})
			}
		}
		r.start(tasks.WorkerOptions{
			Concurrency: 1, Pools: []string{"a", "b", "a", "c"},
			Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
				order = append(order, tasks.Current(ctx).Pool)
				return pause(ctx, time.Second)
			}),
		})
		if got, want := r.worker.Stats().Queues, 9; len(got) != want {
			t.Errorf("queues = %v, want %d of them: a pool named twice counts once", got, want)
		}
		passes(40 * time.Second)
		r.stop()
		if len(order) != 30 {
			t.Fatalf("%d tasks ran, want 30", len(order))
		}
		for i := 3; i < 30; i += 3 {
			turn := slices.Sorted(slices.Values(order[i : i+3]))
			if strings.Join(turn, "") != "abc" {
				t.Errorf("turn %d served %v, want each pool once", i/3, order[i:i+3])
			}
		}
	})
}

func TestASuspectWaitsForTheOthersAndHoldsUpNoneAfterIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var steps []string
		step := func(s string) {
			mu.Lock()
			defer mu.Unlock()
			steps = append(steps, s)
		}
		r := &rig{T: t, memory: tasks.NewMemory(tasks.MemoryOptions{})}
		r.publish(tasks.Task{ID: "suspect", Type: "doubtful", Priority: tasks.High})
		r.abandon(tasks.High, 2)
		registry := handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			step("start")
			defer step("end")
			return pause(ctx, time.Second)
		})
		tasks.Handle(registry, tasks.Type[note, note]{Name: "doubtful"}, func(ctx context.Context, in note) (note, error) {
			step("suspect")
			defer step("cleared")
			return in, pause(ctx, time.Second)
		})
		for range 4 {
			r.publish(tasks.Task{Priority: tasks.High})
		}
		r.memory.Hurry("suspect")
		r.start(tasks.WorkerOptions{Concurrency: 2, Registry: registry})
		passes(ackWait + 10*time.Second)
		r.stop()
		i, j := slices.Index(steps, "suspect"), slices.Index(steps, "cleared")
		if i < 0 || j != i+1 || len(steps) != 10 {
			t.Errorf("steps = %q, want all, nothing between suspect and cleared", steps)
		}
		if i >= 0 && strings.Count(strings.Join(steps[:i], " "), "start") != strings.Count(strings.Join(steps[:i], " "), "end") {
			t.Errorf("steps = %q, want every start before the suspect ended", steps)
		}
	})
}

// Abandon leases the first task of a queue n times and forgets it each time.
func (r *rig) abandon(p tasks.Priority, n int) {
	r.Helper()
	for range n {
		r.lease(p)
		passes(ackWait)
	}
}

// Lease leases the first task of a queue and forgets it.
func (r *rig) lease(p tasks.Priority) {
	r.Helper()
	ctx, cancel := context.WithCancel(r.Context())
	tap, err := r.memory.Open(ctx, tasks.Queue{Priority: p, Pool: tasks.MainPool}, func(*tasks.Delivery) {})
	if err != nil {
		r.Fatalf("Open: %v", err)
	}
	tap.Want(1)
	synctest.Wait()
	cancel()
	synctest.Wait()
}

// DieAlone is as abandon, of a worker that died of the task.
func (r *rig) dieAlone(p tasks.Priority, n int) {
	r.Helper()
	for range n {
		ctx, cancel := context.WithCancel(r.Context())
		tap, err := r.memory.Open(ctx, tasks.Queue{Priority: p, Pool: tasks.MainPool}, func(d *tasks.Delivery) {
			d.Lease.Report(tasks.Report{Worker: "died", First: true})
		})
		if err != nil {
			r.Fatalf("Open: %v", err)
		}
		tap.Want(1)
		synctest.Wait()
		cancel()
		passes(ackWait)
	}
}

// However often a task stood beside others that killed the process, it is run.
func TestABystanderIsRunHoweverManyLeasesItLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, memory: tasks.NewMemory(tasks.MemoryOptions{})}
		id := r.publish(tasks.Task{})
		r.abandon(tasks.Default, 20)
		r.start(tasks.WorkerOptions{Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			if d := tasks.Current(ctx); d.Lost != 20 || d.Alone != 0 {
				t.Errorf("delivery has %d lost, %d of them alone; want 20 and 0", d.Lost, d.Alone)
			}
			return nil
		})})
		passes(time.Second)
		r.wantHistory(id, "succeeded/1")
	})
}

func TestATaskThatKillsAloneIsBuriedAfterMaxLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, memory: tasks.NewMemory(tasks.MemoryOptions{})}
		id := r.publish(tasks.Task{})
		r.abandon(tasks.Default, 2)
		r.dieAlone(tasks.Default, 3)
		r.start(tasks.WorkerOptions{Registry: handling(tasks.Type[note, note]{}, func(context.Context) error {
			t.Error("it was run once more")
			return nil
		})})
		passes(time.Second)
		r.wantHistory(id, "dead/1")
		if letters := r.memory.DeadLetters(); len(letters) != 1 || letters[0].Lost != 5 || letters[0].Reason != tasks.ReasonLeaseLost {
			t.Errorf("dead letters = %+v, want one with 5 lost leases", letters)
		}
	})
}

func TestATaskBeyondMaxLostIsBuriedWithoutWaitingToBeAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, memory: tasks.NewMemory(tasks.MemoryOptions{})}
		id := r.publish(tasks.Task{})
		r.abandon(tasks.Default, 2)
		r.dieAlone(tasks.Default, 1)
		r.publish(tasks.Task{Priority: tasks.High})
		r.start(tasks.WorkerOptions{MaxLost: 3, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			return pause(ctx, time.Minute)
		})})
		passes(time.Second)
		r.wantHistory(id, "dead/1")
		o := r.last(id)
		if o.Reason != tasks.ReasonLeaseLost || !o.Started.IsZero() || o.Error != "3 leases were lost: the process died or hung each time" {
			t.Errorf("outcome = %+v, want lease lost, never started", o)
		}
		passes(time.Minute)
	})
}

func TestOutcomesThatAreNotStoredHoldUpTheStarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		stored := make(chan struct{})
		memory := tasks.NewMemory(tasks.MemoryOptions{})
		source := &spy{Source: memory, settle: func(ctx context.Context, o tasks.Outcome, settle func(context.Context, tasks.Outcome) error) error {
			<-stored
			return settle(ctx, o)
		}}
		r := &rig{T: t, memory: memory}
		for range 3000 {
			r.publish(tasks.Task{})
		}
		r.start(tasks.WorkerOptions{Source: source, Registry: handling(tasks.Type[note, note]{}, func(context.Context) error {
			calls.Add(1)
			return nil
		})})
		if n := calls.Load(); n < 1024 || n > 1024+10 {
			t.Errorf("%d handlers ran while no outcome was stored, want 1024 and the slots at most", n)
		}
		close(stored)
		synctest.Wait()
		if n := calls.Load(); n != 3000 {
			t.Errorf("%d handlers ran, want 3000", n)
		}
	})
}

func TestStatsTellWhatRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, tasks.WorkerOptions{
			Name: "me", Concurrency: 2, Priorities: []tasks.Priority{tasks.High, tasks.Low},
			Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error { return pause(ctx, time.Hour) }),
		})
		begun := time.Now()
		for _, id := range []string{"b", "a", "c"} {
			r.publish(tasks.Task{ID: id, Priority: tasks.High})
			synctest.Wait()
		}
		want := tasks.WorkerStats{
			Name: "me", Slots: 2, Leased: 3, Queues: []string{"high-main", "low-main"}, Types: []string{"work"},
			Running: []tasks.RunningTask{
				{ID: "a", Type: "work", Priority: tasks.High, Attempt: 1, Started: begun},
				{ID: "b", Type: "work", Priority: tasks.High, Attempt: 1, Started: begun},
			},
		}
		if diff := cmp.Diff(want, r.worker.Stats()); diff != "" {
			t.Errorf("Stats() (-want +got):\n%s", diff)
		}
		r.stop()
	})
}
