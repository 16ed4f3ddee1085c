package sourcetest

import (
	"context"
	"sync/atomic"

	"sparkle/tasks"
)

func deliversWanted(f *fixture) {
	var calls tally
	var ids []string
	for range 5 {
		id, _ := f.publish(tasks.Task{})
		ids = append(ids, id)
	}
	ctx, cancel := context.WithCancel(f.Context())
	defer cancel()
	tap, came := f.tap(ctx, defaultQueue)
	tap.Want(2)
	first, second := f.next(came), f.next(came) // both, or the first would come again
	f.returnTo(first, ids[0])
	f.returnTo(second, ids[1])
	if err := tap.Drain(ctx); err != nil {
		f.Errorf("Drain() = %v, want nil", err)
	}
	if len(came) > 0 {
		f.Errorf("%d more tasks came than the 2 wanted", len(came))
	}
	f.work(tasks.WorkerOptions{Registry: counting(&calls)})
	for i, id := range ids {
		f.reaches(id, tasks.Succeeded)
		if want := []string{"returned/1 succeeded/1", "succeeded/1"}[min(i/2, 1)]; f.history(id) != want {
			f.Errorf("history of task %d = %q, want %q", i, f.history(id), want)
		}
	}
}

// ReturnTo hands a task back to its queue.
func (f *fixture) returnTo(d *tasks.Delivery, id string) {
	f.Helper()
	if d.ID != id {
		f.Errorf("%s came, want %s: the oldest first", d.ID, id)
	}
	if err := d.Lease.Settle(f.Context(), tasks.Outcome{State: tasks.Returned, Worker: "by hand"}); err != nil {
		f.Errorf("Settle(returned) = %v, want nil", err)
	}
}

func drainedTapTakesNothing(f *fixture) {
	var calls tally
	ctx, cancel := context.WithCancel(f.Context())
	defer cancel()
	tap, came := f.tap(ctx, defaultQueue)
	tap.Want(10)
	if err := tap.Drain(ctx); err != nil {
		f.Fatalf("Drain() = %v, want nil", err)
	}
	tap.Want(10)
	id, _ := f.publish(tasks.Task{})
	f.work(tasks.WorkerOptions{Registry: counting(&calls)})
	if last := f.reaches(id, tasks.Succeeded); last.Lost != 0 {
		f.Errorf("lost %d leases, want none: nobody else held it", last.Lost)
	}
	if len(came) > 0 {
		f.Errorf("%d tasks came from the drained tap, want none", len(came))
	}
}

func keepsLease(f *fixture) {
	var calls tally
	registry := handling(func(ctx context.Context, _ input) (output, error) {
		calls.add("")
		return output{}, pause(ctx, 3*f.AckWait)
	})
	f.work(tasks.WorkerOptions{Registry: registry})
	f.work(tasks.WorkerOptions{Registry: registry})
	id, _ := f.publish(tasks.Task{})
	f.reaches(id, tasks.Succeeded)
	if calls.total() != 1 {
		f.Errorf("a task of three ack waits ran %d times, want once", calls.total())
	}
	f.wantHistory(id, "succeeded/1")
}

func redelivers(f *fixture) {
	var lost, attempt atomic.Int64
	id, run := f.publish(tasks.Task{})
	if d := f.abandon(defaultQueue); d.ID != id || d.Run != run || d.Lost != 0 || d.Attempt != 1 {
		f.Errorf("delivered %+v, want %s of run %s, attempt 1, none lost", d, id, run)
	}
	f.work(tasks.WorkerOptions{Registry: handling(func(ctx context.Context, _ input) (output, error) {
		d := tasks.Current(ctx)
		lost.Store(int64(d.Lost))
		attempt.Store(int64(d.Attempt))
		return output{}, nil
	})})
	f.reaches(id, tasks.Succeeded)
	if lost.Load() != 1 || attempt.Load() != 1 {
		f.Errorf("ran with %d lost leases as attempt %d, want 1 and 1", lost.Load(), attempt.Load())
	}
	f.wantHistory(id, "succeeded/1")
}

func buriesLost(f *fixture) {
	var calls tally
	id, _ := f.publish(tasks.Task{})
	f.abandon(defaultQueue)
	f.work(tasks.WorkerOptions{MaxLost: 1, Registry: counting(&calls)})
	f.reaches(id, tasks.Dead)
	if letter := f.buried(id); letter.Reason != tasks.ReasonLeaseLost || letter.Attempt != 1 {
		f.Errorf("dead letter = %+v, want reason %q, attempt 1", letter, tasks.ReasonLeaseLost)
	}
	if calls.total() != 0 {
		f.Errorf("the handler ran %d times, want never", calls.total())
	}
}

func runsSuspectAlone(f *fixture) {
	var running, beside atomic.Int64
	suspect, _ := f.publish(tasks.Task{Priority: tasks.Low})
	low := tasks.Queue{Priority: tasks.Low, Pool: tasks.MainPool}
	for want := range 2 {
		if d := f.abandon(low); d.Lost != want {
			f.Errorf("lost = %d, want %d", d.Lost, want)
		}
	}
	var fillers []string
	for range 20 {
		id, _ := f.publish(tasks.Task{Priority: tasks.High})
		fillers = append(fillers, id)
	}
	f.work(tasks.WorkerOptions{Concurrency: 4, Registry: handling(func(ctx context.Context, _ input) (output, error) {
		others := running.Add(1) - 1
		defer running.Add(-1)
		err := pause(ctx, f.AckWait/10)
		if tasks.Current(ctx).ID == suspect {
			beside.Add(others + running.Load() - 1)
		}
		return output{}, err
	})})
	f.reaches(suspect, tasks.Succeeded)
	for _, id := range fillers {
		f.reaches(id, tasks.Succeeded)
	}
	if beside.Load() != 0 {
		f.Errorf("%d tasks ran beside the suspect, want none", beside.Load())
	}
}
