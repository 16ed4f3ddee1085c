package tasks_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sparkle/tasks"
)

func TestALongTaskKeepsItsLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		memory := tasks.NewMemory(tasks.MemoryOptions{})
		source := &spy{Source: memory}
		r := &rig{T: t, memory: memory}
		r.start(tasks.WorkerOptions{Source: source, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			calls.Add(1)
			return pause(ctx, 10*ackWait)
		})})
		id := r.publish(tasks.Task{})
		passes(10*ackWait + time.Second)
		r.wantHistory(id, "succeeded/1")
		if calls.Load() != 1 {
			t.Errorf("a task of ten ack waits ran %d times, want once", calls.Load())
		}
		if n, _, _ := source.seen(); n < 28 || n > 30 {
			t.Errorf("the lease was extended %d times in 120s, want every 4s", n)
		}
	})
}

func TestATaskThatWaitsInTheWorkerKeepsItsLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, tasks.WorkerOptions{Concurrency: 1, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			return pause(ctx, 3*ackWait)
		})})
		first, second := r.publish(tasks.Task{}), r.publish(tasks.Task{})
		passes(6*ackWait + time.Second)
		r.wantHistory(first, "succeeded/1")
		r.wantHistory(second, "succeeded/1")
		if e := r.memory.Events(second); e[len(e)-1].Lost != 0 {
			t.Errorf("the waiting task lost %d leases, want none", e[len(e)-1].Lost)
		}
	})
}

func TestALostLeaseCancelsTheHandlerAndIsNotSettled(t *testing.T) {
	t.Parallel()
	refused := func(context.Context, *tasks.Delivery, func(context.Context) error) error { return errBoom }
	silent := func(ctx context.Context, _ *tasks.Delivery, _ func(context.Context) error) error {
		<-ctx.Done()
		return ctx.Err()
	}
	for name, row := range map[string]struct {
		extend func(context.Context, *tasks.Delivery, func(context.Context) error) error
		amount int // more than the extensions on their way at a time
	}{
		"extensions are refused":      {refused, 1},
		"extensions are not answered": {silent, 1},
		"many are not answered":       {silent, 300},
		"late answers do not revive":  {late, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { testLostLease(t, row.extend, row.amount) })
		})
	}
}

// Late confirms an extension once the lease has been given up.
func late(ctx context.Context, d *tasks.Delivery, extend func(context.Context) error) error {
	if time.Since(d.Ready) < ackWait/3+time.Second {
		time.Sleep(ackWait / 2)
		return extend(context.WithoutCancel(ctx))
	}
	return errBoom
}

func testLostLease(t *testing.T, extend func(context.Context, *tasks.Delivery, func(context.Context) error) error, amount int) {
	var lost, healthy atomic.Int64
	memory := tasks.NewMemory(tasks.MemoryOptions{})
	source := &spy{Source: memory}
	source.extend = func(ctx context.Context, d *tasks.Delivery, ask func(context.Context) error) error {
		if d.Lost > 0 {
			return ask(ctx)
		}
		return extend(ctx, d, ask)
	}
	r := &rig{T: t, memory: memory}
	r.start(tasks.WorkerOptions{Source: source, Concurrency: 1000, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
		if tasks.Current(ctx).Lost > 0 {
			healthy.Add(1)
			return nil
		}
		begun := time.Now()
		err := pause(ctx, time.Hour)
		if took := time.Since(begun); errors.Is(context.Cause(ctx), tasks.ErrLeaseLost) && took >= ackWait*2/3 && took < ackWait*3/4 {
			lost.Add(1)
		}
		return err
	})})
	var ids []string
	for range amount {
		ids = append(ids, r.publish(tasks.Task{}))
	}
	passes(ackWait * 3 / 4)
	if n := int(lost.Load()); n != amount {
		t.Errorf("%d handlers were cancelled with ErrLeaseLost between 8s and 9s, want %d", n, amount)
	}
	if _, _, settled := source.seen(); len(settled) != 0 {
		t.Errorf("settled %v, want nothing: another worker has the tasks", settled)
	}
	if r.logged.find("lease lost") == nil {
		t.Errorf("logged %s, want a line lease lost", r.logged.String())
	}
	passes(2 * ackWait)
	for _, id := range ids {
		r.wantHistory(id, "succeeded/1")
	}
	if n := int(healthy.Load()); n != amount {
		t.Errorf("%d tasks ran again, want %d", n, amount)
	}
}

func TestALostLeaseIsExtendedNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var refuse atomic.Bool
		release := make(chan struct{})
		memory := tasks.NewMemory(tasks.MemoryOptions{})
		source := &spy{Source: memory, extend: func(ctx context.Context, _ *tasks.Delivery, extend func(context.Context) error) error {
			if refuse.Load() {
				return errBoom
			}
			return extend(ctx)
		}}
		refuse.Store(true)
		r := &rig{T: t, memory: memory}
		r.start(tasks.WorkerOptions{Source: source, Stuck: time.Hour, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			if tasks.Current(ctx).Lost == 0 {
				<-release // ignores its context
			}
			return nil
		})})
		id := r.publish(tasks.Task{})
		passes(ackWait * 3 / 4)
		refuse.Store(false)
		passes(ackWait)
		r.wantHistory(id, "succeeded/1") // by the second delivery
		close(release)
		synctest.Wait()
		r.wantHistory(id, "succeeded/1")
		if r.logged.find("not settled") == nil {
			t.Errorf("logged %s, want that the first delivery's success came too late", r.logged.String())
		}
	})
}

func TestAWaitingTaskWhoseLeaseWasLostIsNotStarted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		memory := tasks.NewMemory(tasks.MemoryOptions{})
		source := &spy{Source: memory, extend: func(ctx context.Context, d *tasks.Delivery, extend func(context.Context) error) error {
			if d.ID == "waiting" && d.Lost == 0 {
				return errBoom
			}
			return extend(ctx)
		}}
		r := &rig{T: t, memory: memory}
		r.start(tasks.WorkerOptions{Source: source, Concurrency: 1, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			if tasks.Current(ctx).ID == "waiting" {
				calls.Add(1)
				return nil
			}
			return pause(ctx, ackWait)
		})})
		r.publish(tasks.Task{})
		r.publish(tasks.Task{ID: "waiting"})
		passes(3 * ackWait)
		r.wantHistory("waiting", "succeeded/1")
		if e := r.memory.Events("waiting"); calls.Load() != 1 || e[len(e)-1].Lost != 1 {
			t.Errorf("ran %d times with %d lost leases, want once with 1", calls.Load(), e[len(e)-1].Lost)
		}
	})
}

func TestATimeoutIsTheCauseAndTheError(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		byType, byTask time.Duration
		answer         func(context.Context) error
		want           string
		after          time.Duration
	}{
		"of the type":        {time.Minute, 0, func(ctx context.Context) error { return ctx.Err() }, "attempt timed out: context deadline exceeded", time.Minute},
		"of the task":        {time.Minute, time.Second, func(ctx context.Context) error { return ctx.Err() }, "attempt timed out: context deadline exceeded", time.Second},
		"its cause returned": {time.Minute, time.Second, context.Cause, "attempt timed out", time.Second},
		"another error":      {time.Minute, time.Second, func(context.Context) error { return errBoom }, "attempt timed out: boom", time.Second},
		"the default":        {0, 0, context.Cause, "attempt timed out", 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				kind := tasks.Type[note, note]{Timeout: row.byType, Retry: tasks.Retry{Attempts: 1}}
				r := start(t, tasks.WorkerOptions{Registry: handling(kind, func(ctx context.Context) error {
					<-ctx.Done()
					if !errors.Is(context.Cause(ctx), tasks.ErrTimeout) {
						t.Errorf("cause = %v, want ErrTimeout", context.Cause(ctx))
					}
					return row.answer(ctx)
				})})
				id := r.publish(tasks.Task{Timeout: row.byTask})
				passes(row.after)
				r.wantHistory(id, "dead/1")
				o := r.last(id)
				if o.Error != row.want || o.Reason != tasks.ReasonAttempts || o.Ended.Sub(o.Started) != row.after {
					t.Errorf("outcome = %+v, want %q after %v", o, row.want, row.after)
				}
			})
		})
	}
}

func TestAnAttemptThatIsNotSettledRunsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		memory := tasks.NewMemory(tasks.MemoryOptions{})
		source := &spy{Source: memory, settle: func(ctx context.Context, o tasks.Outcome, settle func(context.Context, tasks.Outcome) error) error {
			if calls.Load() == 1 {
				return errBoom
			}
			return settle(ctx, o)
		}}
		r := &rig{T: t, memory: memory}
		r.start(tasks.WorkerOptions{Source: source, Registry: handling(tasks.Type[note, note]{}, func(context.Context) error {
			calls.Add(1)
			return nil
		})})
		id := r.publish(tasks.Task{})
		passes(ackWait + time.Second)
		r.wantHistory(id, "succeeded/1")
		line := r.logged.find("not settled")
		if line == nil || line["err"] != nil && line["error"] != nil || !strings.Contains(r.logged.String(), `"outcome":"succeeded"`) {
			t.Errorf("logged %s, want the outcome that was not settled", r.logged.String())
		}
	})
}
