package sourcetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"sparkle/tasks"
)

func (f *fixture) cancel(id string, o tasks.CancelOptions) {
	f.Helper()
	if err := f.Cancel(f.Context(), id, o); err != nil {
		f.Errorf("Cancel(%s, %+v) = %v, want nil", id, o, err)
	}
}

// WantCancelled waits until the run has ended as cancelled and its id is free.
// Who cancels and the worker may both have told it.
func (f *fixture) wantCancelled(id, want string) {
	f.Helper()
	f.await("the id "+id+" to be free", func() bool {
		_, _, err := f.Publish(f.Context(), tasks.Task{Type: "work", ID: id, Payload: []byte(`{"n":1}`), At: time.Now().Add(time.Hour)})
		return err == nil
	})
	states := strings.Fields(f.history(id))
	if got := strings.Join(slices.Compact(states), " "); got != want {
		f.Errorf("history of %s = %q, want %q", id, got, want)
	}
	f.noneBuried()
}

func cancelsWaiting(f *fixture) {
	var calls tally
	f.publish(tasks.Task{ID: "waiting"})
	f.publish(tasks.Task{ID: "scheduled", At: time.Now().Add(f.AckWait)})
	for _, id := range []string{"waiting", "scheduled"} {
		f.cancel(id, tasks.CancelOptions{By: "ann", Reason: "not wanted"})
		if last := f.reaches(id, tasks.Cancelled); last.Outcome.By != "ann" || last.Outcome.Note != "not wanted" {
			f.Errorf("outcome of %s = %+v, want by ann, not wanted", id, last.Outcome)
		}
		f.wantCancelled(id, "cancelled/1")
	}
	other, _ := f.publish(tasks.Task{})
	f.work(tasks.WorkerOptions{Registry: counting(&calls)})
	f.reaches(other, tasks.Succeeded)
	if calls.total() != 1 {
		f.Errorf("%d tasks ran, want the one that was not cancelled", calls.total())
	}
}

func cancelsRunning(f *fixture) {
	answers := map[string]func(context.Context) error{
		"obeys":   func(ctx context.Context) error { return ctx.Err() },
		"fails":   func(context.Context) error { return errBoom },
		"buries":  func(context.Context) error { return tasks.Permanent(errBoom) },
		"snoozes": func(context.Context) error { return tasks.Snooze(time.Millisecond) },
		"is done": func(context.Context) error { return nil },
	}
	var calls tally
	causes := make(chan error, len(answers))
	f.work(tasks.WorkerOptions{Registry: handling(func(ctx context.Context, _ input) (output, error) {
		id := tasks.Current(ctx).ID
		calls.add(id)
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return output{}, answers[strings.ReplaceAll(id, "-", " ")](ctx)
	})})
	for name := range answers {
		id := strings.ReplaceAll(name, " ", "-")
		f.publish(tasks.Task{ID: id})
		f.await(id+" to run", func() bool { return calls.of(id) == 1 })
		f.cancel(id, tasks.CancelOptions{})
		if cause := <-causes; !errors.Is(cause, tasks.ErrCancelled) {
			f.Errorf("cause = %v, want ErrCancelled", cause)
		}
		f.wantCancelled(id, "cancelled/1")
	}
	if calls.total() != len(answers) {
		f.Errorf("%d runs, want one for each of %d tasks", calls.total(), len(answers))
	}
}

func recordsStuckCancelled(f *fixture) {
	release := make(chan struct{})
	defer close(release)
	began := make(chan struct{})
	f.work(tasks.WorkerOptions{Concurrency: 1, Stuck: f.AckWait / 10, Registry: handling(func(ctx context.Context, _ input) (output, error) {
		if tasks.Current(ctx).ID == "stuck" {
			close(began)
			<-release
		}
		return output{}, nil
	})})
	f.publish(tasks.Task{ID: "stuck"})
	<-began
	f.cancel("stuck", tasks.CancelOptions{})
	next, _ := f.publish(tasks.Task{})
	f.reaches(next, tasks.Succeeded)
	f.await("the worker to tell of the handler", func() bool {
		return slices.ContainsFunc(f.events("stuck"), func(e tasks.Event) bool {
			return e.State == tasks.Cancelled && strings.HasPrefix(e.Outcome.Error, "handler ignores its cancelled context") &&
				strings.Contains(e.Outcome.Stack, "recordsStuckCancelled") && e.Outcome.Worker == "sourcetest" && !e.Outcome.Started.IsZero()
		})
	})
	f.wantCancelled("stuck", "cancelled/1")
}

func cancelsOneRun(f *fixture) {
	var calls tally
	_, first := f.publish(tasks.Task{ID: "mine"})
	f.cancel("mine", tasks.CancelOptions{})
	_, second := f.publish(tasks.Task{ID: "mine"})
	f.cancel("mine", tasks.CancelOptions{Run: first})
	if err := f.Cancel(f.Context(), "mine", tasks.CancelOptions{Run: "other"}); !errors.Is(err, tasks.ErrNotFound) {
		f.Errorf("Cancel of an unknown run = %v, want ErrNotFound", err)
	}
	f.work(tasks.WorkerOptions{Registry: counting(&calls)})
	if last := f.reaches("mine", tasks.Succeeded); last.Run != second {
		f.Errorf("run %s succeeded, want the second, %s", last.Run, second)
	}
	err := f.Cancel(f.Context(), "mine", tasks.CancelOptions{})
	if ended := (*tasks.EndedError)(nil); !errors.As(err, &ended) || ended.State != tasks.Succeeded || ended.Run != second {
		f.Errorf("Cancel of an ended run = %v, want EndedError: succeeded", err)
	}
	if err := f.Cancel(f.Context(), "none", tasks.CancelOptions{}); !errors.Is(err, tasks.ErrNotFound) {
		f.Errorf("Cancel of nothing = %v, want ErrNotFound", err)
	}
}
