package sourcetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sparkle/tasks"
)

// A fixture is the bench of one case with its helpers.
type fixture struct {
	*testing.T
	Bench
}

// patience bounds every wait.
const patience = time.Minute

// Input and output of the suite's types.
type (
	input struct {
		N int `json:"n"`
	}
	output struct {
		N int `json:"n"`
	}
)

// quickly retries up to twice, within 10 ms.
var quickly = tasks.Retry{Attempts: 3, Base: time.Millisecond, Cap: 10 * time.Millisecond}

var defaultQueue = tasks.Queue{Priority: tasks.Default, Pool: tasks.MainPool}

// Handling returns a registry whose one type is named work.
func handling(fn func(ctx context.Context, in input) (output, error)) *tasks.Registry {
	r := new(tasks.Registry)
	tasks.Handle(r, tasks.Type[input, output]{Name: "work", Retry: quickly}, fn)
	return r
}

// Pause takes a while, as work does.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Work starts a worker. Stop, which is called at the latest when the case ends,
// returns when the worker has drained.
func (f *fixture) work(o tasks.WorkerOptions) (stop func()) {
	f.Helper()
	o.Source, o.AckWait = f.Source, f.AckWait
	if o.Name == "" {
		o.Name = "sourcetest"
	}
	worker, err := tasks.NewWorker(o)
	if err != nil {
		f.Fatalf("NewWorker: %v", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.Context()))
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			f.Errorf("Run() = %v, want nil", err)
		}
	})
	f.Cleanup(stop)
	return stop
}

// Publish stores a task of type work, or of the type it names.
func (f *fixture) publish(t tasks.Task) (id, run string) {
	f.Helper()
	if t.Type == "" {
		t.Type = "work"
	}
	if t.Payload == nil {
		t.Payload = []byte(`{"n":1}`)
	}
	id, run, err := f.Publish(f.Context(), t)
	if err != nil {
		f.Fatalf("Publish(%+v) = %v, want nil", t, err)
	}
	return id, run
}

// Await polls until done says so.
func (f *fixture) await(what string, done func() bool) {
	f.Helper()
	deadline := time.Now().Add(patience)
	for !done() {
		if time.Now().After(deadline) {
			f.Fatalf("waited %v for %s", patience, what)
		}
		if err := pause(f.Context(), f.AckWait/100); err != nil {
			f.Fatalf("wait for %s: %v", what, err)
		}
	}
}

// Reaches waits until the last event of an id has one of the states.
func (f *fixture) reaches(id string, states ...tasks.State) tasks.Event {
	f.Helper()
	var last tasks.Event
	f.await(fmt.Sprintf("%s to be %v", id, states), func() bool {
		events := f.events(id)
		if len(events) > 0 {
			last = events[len(events)-1]
		}
		return slices.Contains(states, last.State)
	})
	return last
}

func (f *fixture) events(id string) []tasks.Event {
	f.Helper()
	events, err := f.Events(f.Context(), id)
	if err != nil {
		f.Fatalf("Events(%s): %v", id, err)
	}
	return events
}

// History returns the states of an id without the reports, as one line.
func (f *fixture) history(id string) string {
	f.Helper()
	return line(f.events(id))
}

func line(events []tasks.Event) string {
	var states []string
	for _, e := range events {
		if e.State != tasks.Running {
			states = append(states, fmt.Sprintf("%s/%d", e.State, e.Attempt))
		}
	}
	return strings.Join(states, " ")
}

func (f *fixture) wantHistory(id, want string) {
	f.Helper()
	if got := f.history(id); got != want {
		f.Errorf("history of %s (state/attempt) = %q, want %q", id, got, want)
	}
}

// Buried waits for the dead letter of an id.
func (f *fixture) buried(id string) tasks.DeadLetter {
	f.Helper()
	var letter tasks.DeadLetter
	f.await("the dead letter of "+id, func() bool {
		letters, err := f.DeadLetters(f.Context())
		if err != nil {
			f.Fatalf("DeadLetters: %v", err)
		}
		i := slices.IndexFunc(letters, func(d tasks.DeadLetter) bool { return d.ID == id })
		if i >= 0 {
			letter = letters[i]
		}
		return i >= 0
	})
	return letter
}

func (f *fixture) noneBuried() {
	f.Helper()
	letters, err := f.DeadLetters(f.Context())
	if err != nil || len(letters) > 0 {
		f.Errorf("DeadLetters() = %v, %v, want none", letters, err)
	}
}

// Tap opens a tap by hand. What comes is sent to the channel.
func (f *fixture) tap(ctx context.Context, q tasks.Queue) (tasks.Tap, <-chan *tasks.Delivery) {
	f.Helper()
	came := make(chan *tasks.Delivery, 100)
	tap, err := f.Source.Open(ctx, q, func(d *tasks.Delivery) { came <- d })
	if err != nil {
		f.Fatalf("Open(%v) = %v, want nil", q, err)
	}
	return tap, came
}

func (f *fixture) next(came <-chan *tasks.Delivery) *tasks.Delivery {
	f.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case d := <-came:
		return d
	case <-timer.C:
		f.Fatalf("no delivery came within %v", patience)
		return nil
	}
}

// Abandon leases the next task of a queue and forgets it, as a worker that is
// killed does.
func (f *fixture) abandon(q tasks.Queue) *tasks.Delivery {
	f.Helper()
	ctx, cancel := context.WithCancel(f.Context())
	defer cancel()
	tap, came := f.tap(ctx, q)
	tap.Want(1)
	d := f.next(came)
	if err := tap.Drain(ctx); err != nil {
		f.Fatalf("Drain() = %v, want nil", err)
	}
	return d
}
