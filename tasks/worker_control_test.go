package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sparkle/tasks"
)

func TestScaleChangesTheSlotsAndEndsNoTask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, tasks.WorkerOptions{Concurrency: 2, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			return pause(ctx, time.Minute)
		})})
		for i := range 12 {
			r.publish(tasks.Task{ID: fmt.Sprint(i)})
		}
		want := func(slots, running int) {
			t.Helper()
			synctest.Wait()
			if s := r.worker.Stats(); s.Slots != slots || len(s.Running) != running {
				t.Errorf("%d slots, %d running, want %d and %d", s.Slots, len(s.Running), slots, running)
			}
		}
		want(2, 2)
		if before, err := r.worker.Scale(6); before != 2 || err != nil {
			t.Errorf("Scale(6) = %d, %v, want 2 before", before, err)
		}
		want(6, 6)
		passes(30 * time.Second)
		if _, err := r.worker.Scale(1); err != nil {
			t.Errorf("Scale(1) = %v, want nil", err)
		}
		want(1, 6)
		passes(30 * time.Second)
		want(1, 1)
		r.wantHistory("0", "succeeded/1")
		for _, n := range []int{0, -1, tasks.MaxSlots + 1} {
			if _, err := r.worker.Scale(n); err == nil || !strings.HasPrefix(err.Error(), "slots: ") {
				t.Errorf("Scale(%d) = %v, want a refusal that names slots", n, err)
			}
		}
	})
}

func TestADrainedWorkerTakesNothingUntilItIsResumed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, tasks.WorkerOptions{Concurrency: 1, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			return pause(ctx, time.Minute)
		})})
		for _, id := range []string{"runs", "ahead", "waits"} {
			r.publish(tasks.Task{ID: id})
			synctest.Wait()
		}
		for range 2 { // the second changes nothing
			if err := r.worker.Drain(t.Context()); err != nil {
				t.Errorf("Drain() = %v, want nil", err)
			}
		}
		synctest.Wait()
		if s := r.worker.Stats(); !s.Draining || s.Leased != 1 {
			t.Errorf("stats = %+v, want draining with one task", s)
		}
		r.wantHistory("ahead", "returned/1")
		passes(time.Hour)
		r.wantHistory("runs", "succeeded/1")
		r.wantHistory("ahead", "returned/1")
		r.wantHistory("waits", "")
		for range 2 {
			if err := r.worker.Resume(t.Context()); err != nil {
				t.Errorf("Resume() = %v, want nil", err)
			}
		}
		passes(3 * time.Minute)
		r.wantHistory("ahead", "returned/1 succeeded/1")
		r.wantHistory("waits", "succeeded/1")
		if err := r.worker.Drain(t.Context()); err != nil {
			t.Errorf("Drain() = %v, want nil", err)
		}
		r.stop()
		if log := r.logged.String(); strings.Contains(log, "drain cut short") {
			t.Errorf("logged %s, want no trouble at the end of a drained worker", log)
		}
		if err := r.worker.Drain(t.Context()); !errors.Is(err, tasks.ErrNotRunning) {
			t.Errorf("Drain() of an ended worker = %v, want ErrNotRunning", err)
		}
	})
}

func TestAWorkerThatNeverRanIsNotDrained(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, err := tasks.NewWorker(tasks.WorkerOptions{Source: tasks.NewMemory(tasks.MemoryOptions{}), Registry: new(tasks.Registry)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain() = %v, want the end of ctx", err)
		}
	})
}

func TestDrainingHandsBackTheSuspectThatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, memory: tasks.NewMemory(tasks.MemoryOptions{})}
		r.publish(tasks.Task{ID: "suspect", Priority: tasks.Low})
		r.abandon(tasks.Low, 1)
		r.lease(tasks.Low)
		r.publish(tasks.Task{ID: "long"})
		r.start(tasks.WorkerOptions{Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			return pause(ctx, time.Minute)
		})})
		passes(ackWait) // the second lease is lost: the suspect comes, and waits for the long one
		if err := r.worker.Drain(t.Context()); err != nil {
			t.Errorf("Drain() = %v, want nil", err)
		}
		passes(2 * time.Minute)
		r.wantHistory("suspect", "returned/1")
		if err := r.worker.Resume(t.Context()); err != nil {
			t.Errorf("Resume() = %v, want nil", err)
		}
		passes(2 * time.Minute)
		r.wantHistory("suspect", "returned/1 succeeded/1")
	})
}

func TestTooManyStuckHandlersEndTheWorkerInOrder(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		stuck int
		late  int // of them, those that return in time
		ends  bool
	}{
		"as many as are allowed":    {2, 0, false},
		"one more":                  {3, 0, true},
		"one of them returned late": {3, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				memory := tasks.NewMemory(tasks.MemoryOptions{})
				release := make(chan struct{})
				w, err := tasks.NewWorker(tasks.WorkerOptions{
					Source: memory, MaxStuck: 2, Concurrency: 2,
					Registry: handling(tasks.Type[note, note]{Timeout: time.Second, Retry: tasks.Retry{Attempts: 1}}, func(ctx context.Context) error {
						switch tasks.Current(ctx).ID {
						case "late":
							return pause(context.WithoutCancel(ctx), 12*time.Second)
						case "quick":
							return nil
						}
						ignoresItsContext(release)
						return nil
					}),
				})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- w.Run(ctx) }()
				for i := range row.stuck {
					task := tasks.Task{Type: "work", ID: fmt.Sprint("stuck-", i), Payload: []byte(`{"text":"x"}`)}
					if i < row.late {
						task.ID = "late"
					}
					if _, _, err := memory.Publish(t.Context(), task); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				passes(time.Minute)
				select {
				case err := <-ended:
					if !row.ends || err == nil || !strings.HasPrefix(err.Error(), "3 handlers ignore their cancelled contexts, more than 2") {
						t.Errorf("Run ended with %v, want that 3 are more than 2: %v", err, row.ends)
					}
				default:
					if row.ends {
						t.Error("Run goes on, want its end")
					}
					if s := w.Stats(); s.Stuck != row.stuck-row.late {
						t.Errorf("%d are stuck, want %d", s.Stuck, row.stuck-row.late)
					}
				}
				cancel()
				close(release)
				synctest.Wait()
			})
		})
	}
}

// A source that cannot tell what is cancelled gives no tasks either.
type mute struct{ tasks.Source }

func (mute) Control(context.Context, *tasks.Worker, func()) error { return errBoom }

func TestRunEndsWhereNothingIsHeardOfCancellations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := tasks.NewMemory(tasks.MemoryOptions{})
		w, err := tasks.NewWorker(tasks.WorkerOptions{Source: mute{memory}, Registry: new(tasks.Registry)})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Run(t.Context()); !errors.Is(err, errBoom) {
			t.Errorf("Run() = %v, want boom", err)
		}
	})
}
