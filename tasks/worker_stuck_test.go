package tasks_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sparkle/tasks"
)

// IgnoresItsContext stands in the dumps.
//
//go:noinline
func ignoresItsContext(release chan struct{}) { <-release }

func TestAStuckHandlerIsRecordedAndItsSlotReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		kind := tasks.Type[note, note]{Timeout: time.Minute, Retry: tasks.Retry{Attempts: 2, Base: time.Nanosecond, Cap: time.Nanosecond}}
		r := start(t, tasks.WorkerOptions{Concurrency: 1, Registry: handling(kind, func(ctx context.Context) error {
			switch d := tasks.Current(ctx); {
			case d.ID == "stuck" && d.Attempt == 1:
				ignoresItsContext(release)
			case d.ID == "stuck":
				return errBoom
			}
			return nil
		})})
		r.publish(tasks.Task{ID: "stuck"})
		synctest.Wait()
		r.publish(tasks.Task{ID: "next"})
		passes(time.Minute + 9*time.Second)
		r.wantHistory("next", "")
		passes(2 * time.Second)
		r.wantHistory("next", "succeeded/1")
		r.wantHistory("stuck", "retrying/1 dead/2")
		o := r.outcome("stuck", tasks.Retrying)
		if !strings.HasPrefix(o.Error, "handler ignores its cancelled context (attempt timed out) for 10") {
			t.Errorf("error = %q, want that the handler ignores its time limit for 10s", o.Error)
		}
		if !strings.Contains(o.Stack, "tasks_test.ignoresItsContext") || strings.Contains(o.Stack, "TestAStuckHandler"+"IsRecorded(") {
			t.Errorf("stack = %s\nwant where the handler stands, and no other goroutine", o.Stack)
		}
		line := r.logged.find("stuck")
		if line == nil || line["task"] != "stuck" || line["attempt"] != 1.0 {
			t.Errorf("logged %v, want the stuck attempt", line)
		}
		before := r.logged.String()
		close(release)
		synctest.Wait()
		r.wantHistory("stuck", "retrying/1 dead/2")
		if late := strings.TrimPrefix(r.logged.String(), before); late != "" {
			t.Errorf("logged %s after the late return, want nothing", late)
		}
		if s := r.worker.Stats(); s.Leased != 0 || len(s.Running) != 0 {
			t.Errorf("stats after the late return = %+v, want nothing leased", s)
		}
	})
}

// Outcome returns that of the first event with a state.
func (r *rig) outcome(id string, s tasks.State) tasks.Outcome {
	r.Helper()
	for _, e := range r.memory.Events(id) {
		if e.State == s {
			return e.Outcome
		}
	}
	r.Fatalf("%s was never %s", id, s)
	return tasks.Outcome{}
}

func TestTheStackShowsWhatTheHandlerStartedToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		kind := tasks.Type[note, note]{Timeout: time.Second, Retry: tasks.Retry{Attempts: 1}}
		r := start(t, tasks.WorkerOptions{Registry: handling(kind, func(context.Context) error {
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				ignoresItsContext(release)
			}()
			<-ended
			return nil
		})})
		id := r.publish(tasks.Task{})
		passes(12 * time.Second)
		stack := r.last(id).Stack
		call, helper := strings.Index(stack, "(*attempt).call"), strings.Index(stack, "ignoresItsContext")
		if call < 0 || helper < call {
			t.Errorf("stack = %s\nwant the handler's first, then its helper's", stack)
		}
		close(release)
		synctest.Wait()
	})
}

func TestAStuckHandlerWhoseLeaseIsLostIsReplacedUnsettled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		memory := tasks.NewMemory(tasks.MemoryOptions{})
		source := &spy{Source: memory, extend: func(ctx context.Context, d *tasks.Delivery, extend func(context.Context) error) error {
			if d.ID == "stuck" && d.Lost == 0 {
				return errBoom
			}
			return extend(ctx)
		}}
		r := &rig{T: t, memory: memory}
		r.start(tasks.WorkerOptions{Source: source, Concurrency: 1, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			if d := tasks.Current(ctx); d.ID == "stuck" && d.Lost == 0 {
				ignoresItsContext(release)
			}
			return nil
		})})
		r.publish(tasks.Task{ID: "stuck"})
		synctest.Wait()
		r.publish(tasks.Task{ID: "next"})
		passes(ackWait*3/4 + 10*time.Second)
		r.wantHistory("next", "succeeded/1")
		r.wantHistory("stuck", "succeeded/1") // the redelivery
		if _, _, settled := source.seen(); len(settled) != 2 {
			t.Errorf("settled %v, want the two successes alone", settled)
		}
		close(release)
		synctest.Wait()
	})
}

func TestAStuckSuspectLeavesTheWorkerToTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := &rig{T: t, memory: tasks.NewMemory(tasks.MemoryOptions{})}
		r.publish(tasks.Task{ID: "suspect"})
		r.abandon(tasks.Default, 2)
		r.publish(tasks.Task{ID: "other"})
		kind := tasks.Type[note, note]{Timeout: time.Second, Retry: tasks.Retry{Attempts: 1}}
		r.start(tasks.WorkerOptions{Registry: handling(kind, func(ctx context.Context) error {
			if tasks.Current(ctx).ID == "suspect" {
				ignoresItsContext(release)
			}
			return nil
		})})
		passes(10 * time.Second)
		r.wantHistory("other", "")
		passes(2 * time.Second)
		r.wantHistory("suspect", "dead/1")
		r.wantHistory("other", "succeeded/1")
		close(release)
		synctest.Wait()
	})
}

func TestAHandlerThatEndsItsGoroutineKeepsNoSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, tasks.WorkerOptions{Concurrency: 1, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			if tasks.Current(ctx).ID == "gone" {
				runtime.Goexit()
			}
			return nil
		})})
		r.publish(tasks.Task{ID: "gone", MaxAttempts: 1})
		r.publish(tasks.Task{ID: "next"})
		synctest.Wait()
		r.wantHistory("next", "succeeded/1")
		r.wantHistory("gone", "dead/1")
		if o := r.last("gone"); o.Error != "handler ended its goroutine" || o.Reason != tasks.ReasonAttempts {
			t.Errorf("outcome = %+v, want that the handler ended its goroutine", o)
		}
	})
}
