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

func TestDrainWaitsForTheRunningWithinGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, tasks.WorkerOptions{Concurrency: 2, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			return pause(ctx, 20*time.Second)
		})})
		var ids []string
		for range 5 {
			ids = append(ids, r.publish(tasks.Task{}))
		}
		passes(time.Second)
		begun := time.Now()
		r.stop()
		if took := time.Since(begun); took != 19*time.Second {
			t.Errorf("Run returned after %v, want 19s: when the handlers ended", took)
		}
		for i, want := range []string{"succeeded/1", "succeeded/1", "returned/1", "", ""} {
			r.wantHistory(ids[i], want)
		}
	})
}

func TestDrainHandsBackInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var order []string
		run := 10 * time.Microsecond
		r := &rig{T: t, memory: tasks.NewMemory(tasks.MemoryOptions{})}
		var ids []string
		for range 500 {
			ids = append(ids, r.publish(tasks.Task{}))
		}
		registry := handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			order = append(order, tasks.Current(ctx).ID)
			return pause(ctx, run)
		})
		for range 5 {
			r.start(tasks.WorkerOptions{Concurrency: 1, Registry: registry})
			passes(50 * run)
			r.stop()
		}
		r.start(tasks.WorkerOptions{Concurrency: 1, Registry: registry})
		passes(500 * run)
		r.stop()
		if strings.Join(order, " ") != strings.Join(ids, " ") {
			t.Errorf("%d tasks ran through five restarts, want %d in the order of their publishing", len(order), len(ids))
		}
	})
}

func TestDrainCancelsWhatRunsBeyondGraceAndSpendsNoAttempt(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		grace   time.Duration
		want    time.Duration
		answer  func(context.Context) error
		history string
	}{
		"the default grace":  {0, 30 * time.Second, func(ctx context.Context) error { return ctx.Err() }, "returned/1"},
		"no grace":           {-1, 0, func(ctx context.Context) error { return ctx.Err() }, "returned/1"},
		"its own error":      {time.Second, time.Second, func(context.Context) error { return errBoom }, "returned/1"},
		"a panic":            {time.Second, time.Second, func(context.Context) error { panic("boom") }, "returned/1"},
		"cancelled for good": {time.Second, time.Second, func(ctx context.Context) error { return tasks.Permanent(ctx.Err()) }, "returned/1"},
		"permanent":          {time.Second, time.Second, func(context.Context) error { return tasks.Permanent(errBoom) }, "dead/1"},
		"done after all":     {time.Second, time.Second, func(context.Context) error { return nil }, "succeeded/1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := start(t, tasks.WorkerOptions{Grace: row.grace, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
					<-ctx.Done()
					if !errors.Is(context.Cause(ctx), tasks.ErrShutdown) {
						t.Errorf("cause = %v, want ErrShutdown", context.Cause(ctx))
					}
					return row.answer(ctx)
				})})
				id := r.publish(tasks.Task{MaxAttempts: 1})
				synctest.Wait()
				begun := time.Now()
				r.stop()
				if took := time.Since(begun); took != row.want {
					t.Errorf("Run returned after %v, want %v", took, row.want)
				}
				r.wantHistory(id, row.history)
			})
		})
	}
}

func TestDrainHandsBackWhatIgnoresTheShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var calls atomic.Int64
		registry := handling(tasks.Type[note, note]{}, func(context.Context) error {
			if calls.Add(1) == 1 {
				ignoresItsContext(release)
			}
			return nil
		})
		r := start(t, tasks.WorkerOptions{Grace: 5 * time.Second, Stuck: 2 * time.Second, Registry: registry})
		id := r.publish(tasks.Task{MaxAttempts: 1})
		synctest.Wait()
		begun := time.Now()
		r.stop()
		if took := time.Since(begun); took < 7*time.Second || took > 8*time.Second {
			t.Errorf("Run returned after %v, want 7s: grace and stuck", took)
		}
		r.wantHistory(id, "returned/1")
		line := r.logged.find("stuck")
		if stack, _ := line["stack"].(string); !strings.Contains(stack, "ignoresItsContext") {
			t.Errorf("logged %v, want the stack of the handler", line)
		}
		r.start(tasks.WorkerOptions{Registry: registry})
		synctest.Wait()
		r.wantHistory(id, "returned/1 succeeded/1")
		close(release)
		synctest.Wait()
		r.wantHistory(id, "returned/1 succeeded/1")
	})
}

func TestATimeoutIgnoredDuringTheDrainSpendsItsAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := start(t, tasks.WorkerOptions{Registry: handling(tasks.Type[note, note]{Timeout: time.Second}, func(context.Context) error {
			ignoresItsContext(release)
			return nil
		})})
		id := r.publish(tasks.Task{MaxAttempts: 1})
		synctest.Wait()
		begun := time.Now()
		r.stop()
		if took := time.Since(begun); took > 12*time.Second {
			t.Errorf("Run returned after %v, want 11s: it need not wait out its grace", took)
		}
		r.wantHistory(id, "dead/1")
		close(release)
		synctest.Wait()
	})
}

func TestDrainHandsBackAWaitingSuspect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, memory: tasks.NewMemory(tasks.MemoryOptions{})}
		r.publish(tasks.Task{ID: "suspect"})
		r.abandon(tasks.Default, 1)
		r.lease(tasks.Default)
		r.publish(tasks.Task{ID: "first"})
		r.start(tasks.WorkerOptions{Grace: -1, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			return pause(ctx, time.Minute)
		})})
		passes(ackWait) // the second lease is lost: the suspect comes
		if s := r.worker.Stats(); len(s.Running) != 1 || s.Running[0].ID != "first" || s.Leased != 2 {
			t.Fatalf("stats = %+v, want the first to run and the suspect to wait", s)
		}
		r.stop()
		r.wantHistory("suspect", "returned/1")
		r.wantHistory("first", "returned/1")
	})
}

func TestDrainDoesNotHandBackWhatIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := tasks.NewMemory(tasks.MemoryOptions{})
		source := &spy{Source: memory, extend: func(ctx context.Context, d *tasks.Delivery, extend func(context.Context) error) error {
			if d.ID == "waiting" {
				return errBoom
			}
			return extend(ctx)
		}}
		r := &rig{T: t, memory: memory}
		r.start(tasks.WorkerOptions{Source: source, Concurrency: 1, Grace: -1, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			return pause(ctx, time.Hour)
		})})
		r.publish(tasks.Task{ID: "running"})
		r.publish(tasks.Task{ID: "waiting"})
		passes(ackWait * 3 / 4)
		r.stop()
		r.wantHistory("running", "returned/1")
		r.wantHistory("waiting", "") // whoever has it now settles it
	})
}

func TestDrainEndsThoughTheSourceIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wait := func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		memory := tasks.NewMemory(tasks.MemoryOptions{})
		source := &spy{
			Source: memory, drain: wait,
			extend: func(ctx context.Context, _ *tasks.Delivery, _ func(context.Context) error) error { return wait(ctx) },
			settle: func(ctx context.Context, _ tasks.Outcome, _ func(context.Context, tasks.Outcome) error) error {
				return wait(ctx)
			},
		}
		r := &rig{T: t, memory: memory}
		r.start(tasks.WorkerOptions{Source: source, Concurrency: 1, Grace: time.Second, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			return pause(ctx, time.Hour)
		})})
		for range 3 {
			r.publish(tasks.Task{})
		}
		synctest.Wait()
		begun := time.Now()
		r.stop()
		if took := time.Since(begun); took > time.Second+ackWait/3+ackWait {
			t.Errorf("Run returned after %v, want 17s at most: grace, the taps' third and an ack wait", took)
		}
		if r.logged.find("drain cut short") == nil || r.logged.find("not settled") == nil {
			t.Errorf("logged %s, want what was cut short and not settled", r.logged.String())
		}
	})
}

func TestATaskThatComesDuringTheDrainIsHandedBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		memory := tasks.NewMemory(tasks.MemoryOptions{})
		// A tap that takes its time, as a server's does: what is on its way comes.
		source := &spy{Source: memory, drain: func(ctx context.Context) error { return pause(ctx, 3*time.Second) }}
		r := &rig{T: t, memory: memory}
		r.start(tasks.WorkerOptions{Source: source, Registry: handling(tasks.Type[note, note]{}, func(context.Context) error {
			calls.Add(1)
			return nil
		})})
		time.AfterFunc(time.Second, func() { r.publish(tasks.Task{ID: "late"}) })
		r.stop()
		if events := memory.Events("late"); len(events) == 0 || events[0].State != tasks.Returned {
			t.Errorf("Events(late) = %v, want it returned", events)
		}
		if calls.Load() != 0 {
			t.Errorf("the handler ran %d times, want never: the worker stops", calls.Load())
		}
	})
}

func TestRunWithAnEndedContextDrainsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := tasks.NewMemory(tasks.MemoryOptions{})
		worker, err := tasks.NewWorker(tasks.WorkerOptions{Source: memory, Registry: new(tasks.Registry)})
		if err != nil {
			t.Fatalf("NewWorker: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begun := time.Now()
		if err := worker.Run(ctx); err != nil || time.Since(begun) != 0 {
			t.Errorf("Run() = %v after %v, want nil at once", err, time.Since(begun))
		}
	})
}
