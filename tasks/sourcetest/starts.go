package sourcetest

import (
	"context"
	"errors"
	"time"

	"sparkle/tasks"
)

// Counting counts the calls of a handler that succeeds.
func counting(calls *tally) *tasks.Registry {
	return handling(func(ctx context.Context, _ input) (output, error) {
		calls.add(tasks.Current(ctx).ID)
		return output{}, nil
	})
}

func startsNotBefore(f *fixture) {
	var calls tally
	f.work(tasks.WorkerOptions{Registry: counting(&calls)})
	at := time.Now().Add(f.AckWait / 2)
	id, _ := f.publish(tasks.Task{At: at})
	last := f.reaches(id, tasks.Succeeded)
	if last.Outcome.Started.Before(at) {
		f.Errorf("started %v before its time", at.Sub(last.Outcome.Started))
	}
	f.wantHistory(id, "succeeded/1")
}

func expires(f *fixture) {
	var calls tally
	expiry := time.Now().Add(f.AckWait / 20)
	id, _ := f.publish(tasks.Task{Expires: expiry})
	f.await("the expiry", func() bool { return time.Now().After(expiry) })
	f.work(tasks.WorkerOptions{Registry: counting(&calls)})
	f.reaches(id, tasks.Expired)
	if calls.total() != 0 {
		f.Errorf("an expired task ran %d times, want never", calls.total())
	}
	f.noneBuried()
}

func showsProgress(f *fixture) {
	seen := make(chan struct{})
	f.work(tasks.WorkerOptions{Registry: handling(func(ctx context.Context, _ input) (output, error) {
		tasks.Progress(ctx, 0.5, "half")
		select {
		case <-seen:
		case <-ctx.Done():
		}
		return output{}, ctx.Err()
	})})
	id, _ := f.publish(tasks.Task{})
	f.await("the progress", func() bool {
		for _, e := range f.events(id) {
			if e.State == tasks.Running && e.Report.Fraction == 0.5 && e.Report.Note == "half" && e.Report.Worker == "sourcetest" {
				return true
			}
		}
		return false
	})
	close(seen)
	f.reaches(id, tasks.Succeeded)
}

func parksUnknown(f *fixture) {
	var calls tally
	lacking := new(tasks.Registry)
	tasks.Declare(lacking, tasks.Type[input, output]{Name: "work"})
	stop := f.work(tasks.WorkerOptions{Registry: lacking})
	id, _ := f.publish(tasks.Task{MaxAttempts: 1})
	last := f.reaches(id, tasks.Parked)
	if last.Outcome.Reason != tasks.ReasonUnknownType || last.Attempt != 1 {
		f.Errorf("outcome %+v of attempt %d, want reason %q of attempt 1", last.Outcome, last.Attempt, tasks.ReasonUnknownType)
	}
	stop()
	if f.Hurry == nil {
		return
	}
	f.work(tasks.WorkerOptions{Registry: counting(&calls)})
	if err := f.Hurry(f.Context(), id); err != nil {
		f.Fatalf("Hurry(%s) = %v, want nil", id, err)
	}
	f.reaches(id, tasks.Succeeded)
	f.wantHistory(id, "parked/1 succeeded/1")
}

func refusesLivingID(f *fixture) {
	var calls tally
	going, goOn := make(chan struct{}), make(chan struct{})
	registry := handling(func(ctx context.Context, _ input) (output, error) {
		switch calls.add("") {
		case 1:
			close(going)
			select {
			case <-goOn:
			case <-ctx.Done():
			}
			return output{}, tasks.RetryAfter(f.AckWait/2, errBoom)
		default:
			return output{}, nil
		}
	})
	_, first := f.publish(tasks.Task{ID: "mine"})
	f.wantRefused("waiting", "mine")
	f.work(tasks.WorkerOptions{Registry: registry})
	<-going
	f.wantRefused("running", "mine")
	close(goOn)
	f.reaches("mine", tasks.Retrying)
	f.wantRefused("retrying", "mine")
	f.reaches("mine", tasks.Succeeded)
	_, second := f.publish(tasks.Task{ID: "mine"})
	if first == second {
		f.Errorf("both lives of the id are run %s, want two runs", first)
	}
	f.await("the second run", func() bool {
		events := f.events("mine")
		last := events[len(events)-1]
		return last.State == tasks.Succeeded && last.Run == second
	})
}

func (f *fixture) wantRefused(state, id string) {
	f.Helper()
	task := tasks.Task{Type: "work", ID: id, Payload: []byte(`{"n":1}`)}
	if _, _, err := f.Publish(f.Context(), task); !errors.Is(err, tasks.ErrWaiting) {
		f.Errorf("Publish while %s is %s = %v, want ErrWaiting", id, state, err)
	}
}

func sharesByWeight(f *fixture) {
	got := f.starts(tasks.WorkerOptions{}, 60)
	high, normal, low := got["high"], got["default"], got["low"]
	if high < 30 || high > 42 || normal < 12 || normal > 24 || low < 3 || low > 12 {
		f.Errorf("of 60 starts %v, want about 36 high, 18 default, 6 low", got)
	}
}

func sharesStrictly(f *fixture) {
	got := f.starts(tasks.WorkerOptions{Strict: true}, 60)
	high, normal, low := got["high"], got["default"], got["low"]
	if high < 46 || normal < 1 || low < 1 {
		f.Errorf("of 60 starts %v, want about 54 high, 3 default, 3 low", got)
	}
}

// Starts counts by priority the first n starts of one slot, while every priority
// has work.
func (f *fixture) starts(o tasks.WorkerOptions, n int) map[string]int {
	f.Helper()
	var began tally
	o.Concurrency = 1
	o.Registry = handling(func(ctx context.Context, _ input) (output, error) {
		began.add(string(tasks.Current(ctx).Priority))
		return output{}, pause(ctx, 4*time.Millisecond)
	})
	for range n {
		for _, priority := range tasks.Priorities() {
			f.publish(tasks.Task{Priority: priority})
		}
	}
	stop := f.work(o)
	f.await("the starts", func() bool { return began.total() >= n })
	stop()
	return began.first(n)
}
