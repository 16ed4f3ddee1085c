package streams_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sparkle/streams"
	"sparkle/tasks"
)

// Stoppable has a type that runs until its context is done, and tells the cause.
func stoppable(started chan<- string, causes chan<- error) *tasks.Registry {
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[number, number]{Name: "long"}, func(ctx context.Context, in number) (number, error) {
		started <- tasks.Current(ctx).Run
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return in, ctx.Err()
	})
	return &r
}

func (h *harness) cancel(id string, o tasks.CancelOptions) streams.Cancelled {
	h.t.Helper()
	done, err := h.Client.Cancel(h.ctx, id, o)
	if err != nil {
		h.t.Fatalf("Cancel(%s, %+v): %v", id, o, err)
	}
	return done
}

// States are those of the events of an id, without the reports.
func (h *harness) states(id string) string {
	h.t.Helper()
	events, err := h.Client.Events(h.ctx, id)
	if err != nil {
		h.t.Fatalf("Events(%s): %v", id, err)
	}
	var states []string
	for _, e := range events {
		if e.State != tasks.Running {
			states = append(states, string(e.State))
		}
	}
	return strings.Join(states, " ")
}

func long(id string) tasks.Task {
	return tasks.Task{Type: "long", ID: id, Payload: []byte(`{"n":1}`)}
}

func TestCancelTakesAwayWhatNoWorkerHasWithNoWorkerUp(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	for name, row := range map[string]func(id string){
		"waiting":   func(id string) { h.publish(long(id)) },
		"scheduled": func(id string) { task := long(id); task.At = time.Now().Add(time.Hour); h.publish(task) },
		"parked": func(id string) {
			task := long(id)
			task.Type = "unknown"
			h.publish(task)
			stop := h.work(new(tasks.Registry), h.source())
			h.until("parked", func() bool { return h.states(id) == "parked" })
			stop()
		},
		"retrying": func(id string) {
			h.publish(long(id))
			var r tasks.Registry
			tasks.Handle(&r, tasks.Type[number, number]{Name: "long"}, func(_ context.Context, in number) (number, error) {
				return in, tasks.RetryAfter(time.Hour, errKilled)
			})
			stop := h.work(&r, h.source())
			h.until("retrying", func() bool { return h.states(id) == "retrying" })
			stop()
		},
	} {
		row(name)
		before := h.states(name)
		done := h.cancel(name, tasks.CancelOptions{By: "ann", Reason: "not wanted"})
		if done.Worker != "" || done.Again {
			t.Errorf("%s: Cancel = %+v, want that no worker had it", name, done)
		}
		if _, err := h.publisher(streams.PublisherOptions{}).Publish(h.ctx, long(name)); err != nil {
			t.Errorf("%s: the id is not free after the cancellation: %v", name, err)
		}
		h.cancel(name, tasks.CancelOptions{}) // the second life
		if got, want := h.states(name), strings.TrimSpace(before+" cancelled cancelled"); got != want {
			t.Errorf("%s: events = %q, want %q", name, got, want)
		}
		result := h.ended(name, done.Run)
		if result.State != tasks.Cancelled || result.By != "ann" || result.Note != "not wanted" {
			t.Errorf("%s: Await = %+v, want cancelled by ann: not wanted", name, result)
		}
	}
	h.drained()
}

func TestCancelStopsARunningTask(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	started, causes := make(chan string, 1), make(chan error, 1)
	h.work(stoppable(started, causes), h.source(), func(o *tasks.WorkerOptions) { o.Name = "w1" })
	receipt := h.publish(long("one"))
	<-started
	done := h.cancel("one", tasks.CancelOptions{By: "ann", Reason: "wrong input"})
	if cause := <-causes; !errors.Is(cause, tasks.ErrCancelled) {
		t.Errorf("cause = %v, want ErrCancelled", cause)
	}
	if done.Worker != "w1" || done.Run != receipt.Run {
		t.Errorf("Cancel = %+v, want run %s on w1", done, receipt.Run)
	}
	h.drained()
	info, err := h.Client.Task(h.ctx, "one")
	if err != nil || info.State != tasks.Cancelled || info.By != "ann" || info.Note != "wrong input" || len(info.Attempts) != 1 {
		t.Fatalf("Task = %+v, %v, want cancelled by ann with one attempt", info, err)
	}
	if a := info.Attempts[0]; a.Outcome != tasks.Cancelled || a.Worker != "w1" || a.Started == nil || a.Ended == nil {
		t.Errorf("attempt = %+v, want cancelled on w1 with its times", a)
	}
	if letters := h.deadLetters("one"); len(letters) != 0 {
		t.Errorf("%d dead letters, want none", len(letters))
	}
}

func TestCancelDropsWhatAWorkerHasLeasedAhead(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	started, causes := make(chan string, 2), make(chan error, 2)
	h.work(stoppable(started, causes), h.source(), func(o *tasks.WorkerOptions) { o.Concurrency = 1 })
	h.publish(long("first"))
	<-started
	h.publish(long("ahead"))
	h.until("it is leased", func() bool {
		queues, err := h.Client.Queues(h.ctx)
		return err == nil && queues[1].Running == 2
	})
	if done := h.cancel("ahead", tasks.CancelOptions{}); done.Worker == "" {
		t.Errorf("Cancel = %+v, want the worker that had it", done)
	}
	h.until("its id is free", func() bool {
		_, err := h.publisher(streams.PublisherOptions{}).Publish(h.ctx, long("ahead"))
		return err == nil
	})
	h.cancel("ahead", tasks.CancelOptions{})
	h.cancel("first", tasks.CancelOptions{})
	h.drained()
	if len(started) != 0 {
		t.Error("the task leased ahead was started, want it dropped")
	}
}

func TestCancelSaysHowARunHadEnded(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[number, number]{Name: "long"}, func(context.Context, number) (number, error) { return number{}, nil })
	tasks.Handle(&r, tasks.Type[number, number]{Name: "bad"}, func(context.Context, number) (number, error) {
		return number{}, tasks.Permanent(errKilled)
	})
	h.work(&r, h.source())
	done := h.publish(long("done"))
	h.ended("done", done.Run)
	dead := h.publish(tasks.Task{Type: "bad", ID: "dead", Payload: []byte(`{"n":1}`)})
	h.ended("dead", dead.Run)
	h.drained()
	for id, want := range map[string]tasks.State{"done": tasks.Succeeded, "dead": tasks.Dead} {
		_, err := h.Client.Cancel(h.ctx, id, tasks.CancelOptions{})
		if ended := (*tasks.EndedError)(nil); !errors.As(err, &ended) || ended.State != want || !errors.Is(err, tasks.ErrEnded) {
			t.Errorf("Cancel(%s) = %v, want EndedError %s", id, err, want)
		}
	}
	if got := h.states("done") + ", " + h.states("dead"); got != "succeeded, dead" {
		t.Errorf("events = %q, want nothing added", got)
	}
	for id, o := range map[string]tasks.CancelOptions{"none": {}, "done": {Run: "other"}} {
		if _, err := h.Client.Cancel(h.ctx, id, o); !errors.Is(err, streams.ErrNotFound) {
			t.Errorf("Cancel(%s, %+v) = %v, want ErrNotFound", id, o, err)
		}
	}
	for id, o := range map[string]tasks.CancelOptions{"*": {}, "a": {By: "a\nb"}, "b": {Reason: strings.Repeat("x", 257)}} {
		if _, err := h.Client.Cancel(h.ctx, id, o); err == nil {
			t.Errorf("Cancel(%q, %+v) = nil, want a refusal", id, o)
		}
	}
}

// The same id lives on: only the run that was named goes.
func TestCancelLeavesALaterRunAlone(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	first := h.publish(long("id"))
	h.cancel("id", tasks.CancelOptions{})
	second := h.publish(long("id"))
	if done := h.cancel("id", tasks.CancelOptions{Run: first.Run}); !done.Again {
		t.Errorf("Cancel of the first run again = %+v, want that it was cancelled before", done)
	}
	info, err := h.Client.Task(h.ctx, "id")
	if err != nil || info.Run != second.Run || info.State != tasks.Waiting {
		t.Errorf("Task = %+v, %v, want the second run waiting", info, err)
	}
	if _, err := h.Client.Cancel(h.ctx, "id", tasks.CancelOptions{Run: "never"}); !errors.Is(err, streams.ErrNotFound) ||
		!strings.Contains(err.Error(), second.Run) {
		t.Errorf("Cancel of an unknown run = %v, want ErrNotFound and the run that the id has", err)
	}
}

// Whoever cancels may die at each step. From the first one on the run does not
// start, and cancelling it again finishes the job.
func TestACancelThatDiesHalfwayIsFinishedByAnother(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"announce", "event", "remove", "signal", "clear"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, shortLease)
			receipt := h.publish(long("id"))
			if step == "signal" || step == "clear" { // of what somebody was delivered and died with
				h.abandon(1)
			}
			h.Client.Fault(killOnce(step))
			if _, err := h.Client.Cancel(h.ctx, "id", tasks.CancelOptions{By: "ann"}); !errors.Is(err, errKilled) {
				t.Fatalf("Cancel = %v, want that it died", err)
			}
			started, causes := make(chan string, 1), make(chan error, 1)
			if step != "announce" {
				h.work(stoppable(started, causes), h.source())
				if result := h.ended("id", receipt.Run); result.State != tasks.Cancelled || result.By != "ann" {
					t.Errorf("ended %+v, want cancelled by ann", result)
				}
			}
			h.cancel("id", tasks.CancelOptions{})
			h.drained()
			if len(started) != 0 {
				t.Error("the cancelled run was started")
			}
		})
	}
}

// Abandon leases n tasks of default-main and forgets them, as a killed worker
// does.
func (h *harness) abandon(n int) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.ctx)
	defer cancel()
	came := make(chan *tasks.Delivery, n)
	tap, err := h.source().Open(ctx, tasks.Queue{Priority: tasks.Default, Pool: tasks.MainPool}, func(d *tasks.Delivery) { came <- d })
	if err != nil {
		h.t.Fatalf("Open: %v", err)
	}
	tap.Want(n)
	for range n {
		<-came
	}
	if err := tap.Drain(ctx); err != nil {
		h.t.Fatalf("Drain: %v", err)
	}
}

// The worker has stored "retrying" and is about to publish the retry, or has
// done so, when the run is cancelled: nothing of it is left.
func TestCancelMeetsARetryOnItsWay(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"event", "follow", "ack"} {
		t.Run("before "+step, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, streams.Topology{})
			var runs atomic.Int64
			var r tasks.Registry
			tasks.Handle(&r, tasks.Type[number, number]{Name: "long"}, func(_ context.Context, in number) (number, error) {
				runs.Add(1)
				return in, tasks.RetryAfter(time.Hour, errKilled)
			})
			source := h.source()
			reached, goOn := make(chan struct{}), make(chan struct{})
			source.Fault(func(at string) error {
				if at == step {
					select {
					case <-reached:
					default:
						close(reached)
						<-goOn
					}
				}
				return nil
			})
			h.work(&r, source)
			receipt := h.publish(long("id"))
			<-reached
			cancelled := make(chan error, 1)
			go func() {
				_, err := h.Client.Cancel(h.ctx, "id", tasks.CancelOptions{})
				cancelled <- err
			}()
			if result := h.ended("id", receipt.Run); result.State != tasks.Cancelled {
				t.Errorf("ended %+v, want cancelled", result)
			}
			close(goOn)
			if err := <-cancelled; err != nil {
				t.Errorf("Cancel = %v, want nil", err)
			}
			h.drained()
			if runs.Load() != 1 {
				t.Errorf("ran %d times, want once", runs.Load())
			}
		})
	}
}

// A worker that was away when its task was cancelled, and the id published anew,
// neither brings the old run back nor buries it.
func TestAWorkerThatWasAwayDoesNotBuryACancelledRun(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	started, failNow := make(chan struct{}), make(chan struct{})
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[number, number]{Name: "long"}, func(_ context.Context, in number) (number, error) {
		close(started)
		<-failNow
		return in, tasks.RetryAfter(time.Hour, errKilled)
	})
	away := deaf{h.source()}
	h.work(&r, away)
	first := h.publish(long("id"))
	<-started
	h.cancel("id", tasks.CancelOptions{}) // nobody answers: the message is removed
	second := h.publish(long("id"))
	close(failNow)
	h.until("the old run was told", func() bool { return strings.HasPrefix(h.states("id"), "cancelled retrying") })
	h.cancel("id", tasks.CancelOptions{Run: second.Run})
	h.drained()
	if letters := h.deadLetters("id"); len(letters) != 0 {
		t.Errorf("dead letters = %+v, want none", letters)
	}
	if result := h.ended("id", first.Run); result.State != tasks.Cancelled {
		t.Errorf("the first run ended %+v, want cancelled", result)
	}
}

// Deaf hears of no cancellation.
type deaf struct{ *streams.Source }

func (deaf) Control(ctx context.Context, _ *tasks.Worker, ready func()) error {
	ready()
	<-ctx.Done()
	return nil
}

// A worker stores its outcome at the moment of the cancellation: whoever is first
// has ended the run, for every reader.
func TestTheFirstEndOfARunWins(t *testing.T) {
	t.Parallel()
	for step, want := range map[string]tasks.State{"event": tasks.Cancelled, "follow": tasks.Succeeded} {
		t.Run("held before "+step, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, streams.Topology{})
			source := h.source()
			reached, goOn := make(chan struct{}), make(chan struct{})
			source.Fault(func(at string) error {
				if at == step {
					close(reached)
					<-goOn
				}
				return nil
			})
			var r tasks.Registry
			tasks.Handle(&r, tasks.Type[number, number]{Name: "long"}, func(_ context.Context, in number) (number, error) { return in, nil })
			h.work(&r, source)
			receipt := h.publish(long("id"))
			<-reached
			cancelled := make(chan error, 1)
			go func() {
				_, err := h.Client.Cancel(h.ctx, "id", tasks.CancelOptions{})
				cancelled <- err
			}()
			h.until("the run has ended", func() bool { return h.states("id") != "" })
			close(goOn)
			err := <-cancelled
			ended := (*tasks.EndedError)(nil)
			if won := err == nil; won != (want == tasks.Cancelled) || (!won && (!errors.As(err, &ended) || ended.State != want)) {
				t.Errorf("Cancel = %v, want that the run is %s", err, want)
			}
			h.drained()
			if result := h.ended("id", receipt.Run); result.State != want {
				t.Errorf("Await = %+v, want %s", result, want)
			}
			info, err := h.Client.Task(h.ctx, "id")
			list, listErr := h.Client.Tasks(h.ctx, streams.ListFilter{})
			if err != nil || listErr != nil || info.State != want || len(list) != 1 || list[0].State != want {
				t.Errorf("Task = %+v, Tasks = %+v (%v, %v), want %s", info, list, err, listErr, want)
			}
			if len(info.Attempts) != 1 || info.Attempts[0].Outcome != tasks.Succeeded {
				t.Errorf("attempts = %+v, want the one that succeeded", info.Attempts)
			}
		})
	}
}
