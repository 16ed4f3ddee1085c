package tasks_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sparkle/tasks"
)

func TestCancelDropsWhatWasNotStarted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ran []string
		r := start(t, tasks.WorkerOptions{Concurrency: 1, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			ran = append(ran, tasks.Current(ctx).ID)
			return pause(ctx, time.Minute)
		})})
		r.publish(tasks.Task{ID: "runs"})
		synctest.Wait()
		r.publish(tasks.Task{ID: "ahead"})
		synctest.Wait()
		if s := r.worker.Stats(); s.Leased != 2 {
			t.Fatalf("%d tasks are leased, want one that runs and one ahead", s.Leased)
		}
		r.cancel("ahead", tasks.CancelOptions{By: "ann"})
		synctest.Wait()
		if s := r.worker.Stats(); s.Leased != 1 {
			t.Errorf("%d tasks are leased after the cancellation, want 1", s.Leased)
		}
		passes(time.Minute)
		if len(ran) != 1 {
			t.Errorf("%v ran, want the first alone", ran)
		}
		r.wantHistory("ahead", "cancelled/1 cancelled/1") // who cancelled, and the worker
		if o := r.last("ahead"); o.By != "ann" || o.Worker != "w1" || !o.Started.IsZero() {
			t.Errorf("last outcome = %+v, want of w1, by ann, not started", o)
		}
		if line := r.logged.find("cancelled"); line == nil || line["task"] != "ahead" {
			t.Errorf("logged %v, want the dropped task", line)
		}
	})
}

func (r *rig) cancel(id string, o tasks.CancelOptions) {
	r.Helper()
	if err := r.memory.Cancel(r.Context(), id, o); err != nil {
		r.Fatalf("Cancel(%s, %+v) = %v, want nil", id, o, err)
	}
}

// The worker was told before the task was delivered, as happens when the two
// cross on their way.
func TestACancelledRunIsDroppedWhenItComesLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ran := 0
		r := start(t, tasks.WorkerOptions{Registry: handling(tasks.Type[note, note]{}, func(context.Context) error {
			ran++
			return nil
		})})
		at := time.Now().Add(30 * time.Minute)
		_, soon, err := r.memory.Publish(t.Context(), tasks.Task{Type: "work", ID: "soon", At: at})
		if err != nil {
			t.Fatal(err)
		}
		_, late, err := r.memory.Publish(t.Context(), tasks.Task{Type: "work", ID: "late", At: at.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		list := []tasks.Cancellation{{ID: "soon", Run: soon, By: "ann", Reason: "why"}, {ID: "late", Run: late}}
		if held := r.worker.Cancel(list); len(held) != 0 {
			t.Errorf("Cancel = %+v, want nothing held", held)
		}
		passes(31 * time.Minute)
		r.wantHistory("soon", "cancelled/1")
		if o := r.last("soon"); o.By != "ann" || o.Note != "why" {
			t.Errorf("outcome = %+v, want by ann, why", o)
		}
		if held := r.worker.Cancel(list[:1]); len(held) != 1 || held[0].Run != soon || held[0].Started {
			t.Errorf("Cancel again = %+v, want that it was dropped", held)
		}
		r.worker.Cancel([]tasks.Cancellation{{ID: "x", Run: "x"}})
		passes(time.Hour)
		if ran != 0 {
			t.Error("a cancelled run was started")
		}
	})
}

// The handler has failed, and its retry is on its way to the store.
func TestACancelBeforeTheRetryIsStoredEndsTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := tasks.NewMemory(tasks.MemoryOptions{})
		var r *rig
		source := &spy{Source: memory, settle: func(ctx context.Context, o tasks.Outcome, settle func(context.Context, tasks.Outcome) error) error {
			if o.State == tasks.Retrying {
				r.cancel("id", tasks.CancelOptions{})
			}
			return settle(ctx, o)
		}}
		r = &rig{T: t, memory: memory}
		ran := 0
		r.start(tasks.WorkerOptions{Source: source, Registry: handling(tasks.Type[note, note]{}, func(context.Context) error {
			ran++
			return errBoom
		})})
		r.publish(tasks.Task{ID: "id"})
		passes(time.Hour)
		if ran != 1 {
			t.Errorf("ran %d times, want once", ran)
		}
		r.wantHistory("id", "cancelled/1 cancelled/1")
	})
}

func TestACancelledSuspectLeavesTheWorkerToTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, memory: tasks.NewMemory(tasks.MemoryOptions{})}
		r.publish(tasks.Task{ID: "suspect", Priority: tasks.Low})
		r.abandon(tasks.Low, 1)
		r.lease(tasks.Low)
		r.publish(tasks.Task{ID: "long"})
		r.start(tasks.WorkerOptions{Concurrency: 2, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			if tasks.Current(ctx).ID == "long" {
				return pause(ctx, time.Hour)
			}
			return nil
		})})
		passes(ackWait) // the second lease is lost: the suspect comes, and waits for the long one
		r.publish(tasks.Task{ID: "other"})
		passes(time.Second)
		r.cancel("suspect", tasks.CancelOptions{})
		passes(time.Second)
		r.wantHistory("other", "succeeded/1") // else it would wait for the suspect
	})
}

func TestTasksOfAPausedTypeAreParkedAndSpendNoAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, tasks.WorkerOptions{Registry: handling(tasks.Type[note, note]{}, func(context.Context) error { return nil })})
		r.worker.PauseTypes(map[string]time.Time{"work": {}, "other": {}})
		begun := time.Now()
		id := r.publish(tasks.Task{MaxAttempts: 1})
		synctest.Wait()
		o := r.last(id)
		if wait := o.At.Sub(begun); o.State != tasks.Parked || o.Reason != tasks.ReasonPaused || wait < 4*time.Minute || wait > 5*time.Minute {
			t.Errorf("outcome = %+v, want parked as paused for 4 to 5 minutes", o)
		}
		passes(5 * time.Minute)
		r.wantHistory(id, "parked/1 parked/1")
		until := time.Now().Add(time.Minute)
		r.worker.PauseTypes(map[string]time.Time{"work": until})
		short := r.publish(tasks.Task{})
		synctest.Wait()
		if at := r.last(short).At; at.Before(until) || at.After(until.Add(time.Second)) {
			t.Errorf("due at %v, want within a second after the pause's end %v", at, until)
		}
		passes(2 * time.Minute)
		r.wantHistory(short, "parked/1 succeeded/1")
		r.worker.PauseTypes(nil)
		passes(5 * time.Minute)
		r.wantHistory(id, "parked/1 parked/1 succeeded/1")
	})
}

func TestCancelOptionsNameTheFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	long := string(make([]byte, 300))
	for name, o := range map[string]tasks.CancelOptions{
		"run": {Run: long}, "by": {By: "a\nb"}, "reason": {Reason: long},
	} {
		err := o.Check()
		if invalid := (*tasks.InvalidError)(nil); !errors.As(err, &invalid) || invalid.Field != name {
			t.Errorf("Check(%+v) = %v, want an InvalidError of %s", o, err, name)
		}
	}
}
