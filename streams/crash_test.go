package streams_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"sparkle/tasks"
)

var errKilled = errors.New("killed here")

// KillOnce lets the first settling that reaches step die there.
func killOnce(step string) func(string) error {
	var done atomic.Bool
	return func(at string) error {
		if at == step && done.CompareAndSwap(false, true) {
			return errKilled
		}
		return nil
	}
}

func TestKilledBetweenAnyTwoStepsOfSettling(t *testing.T) {
	t.Parallel()
	quick := tasks.Retry{Base: time.Millisecond, Attempts: 3}
	for _, c := range []struct {
		name    string
		step    string
		retry   tasks.Retry
		handler func(attempt int) error
		state   tasks.State
		runs    int64 // how often the handler is called
		attempt int
		letters int
	}{
		{"success before its event", "event", quick, succeed, tasks.Succeeded, 2, 1, 0},
		{"success after its event", "follow", quick, succeed, tasks.Succeeded, 1, 1, 0},
		{"success before its ack", "ack", quick, succeed, tasks.Succeeded, 1, 1, 0},
		{"retry before its event", "event", quick, failFirst, tasks.Succeeded, 3, 2, 0},
		{"retry before its schedule", "follow", quick, failFirst, tasks.Succeeded, 2, 2, 0},
		{"retry before its ack", "ack", quick, failFirst, tasks.Succeeded, 2, 2, 0},
		{"burial before its event", "event", tasks.Retry{Attempts: 1}, fail, tasks.Dead, 2, 1, 1},
		{"burial before its letter", "follow", tasks.Retry{Attempts: 1}, fail, tasks.Dead, 1, 1, 1},
		{"burial before its ack", "ack", tasks.Retry{Attempts: 1}, fail, tasks.Dead, 1, 1, 1},
		{"snooze before its schedule", "follow", quick, snoozeOnce(), tasks.Succeeded, 2, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, shortLease)
			var runs atomic.Int64
			var r tasks.Registry
			tasks.Handle(&r, tasks.Type[number, number]{Name: "count", Retry: c.retry}, func(ctx context.Context, in number) (number, error) {
				runs.Add(1)
				return in, c.handler(tasks.Current(ctx).Attempt)
			})
			source := h.source()
			source.Fault(killOnce(c.step))
			h.work(&r, source)
			receipt := h.publish(tasks.Task{Type: "count", ID: "one", Payload: []byte(`{"n":1}`)})
			result := h.ended(receipt.ID, receipt.Run)
			h.drained()
			if result.State != c.state || result.Attempt != c.attempt || runs.Load() != c.runs {
				t.Errorf("ended %s at attempt %d after %d runs, want %s at %d after %d",
					result.State, result.Attempt, runs.Load(), c.state, c.attempt, c.runs)
			}
			if letters := h.deadLetters("one"); len(letters) != c.letters {
				t.Errorf("%d dead letters, want %d: %+v", len(letters), c.letters, letters)
			}
		})
	}
}

func succeed(int) error { return nil }
func fail(int) error    { return errors.New("no luck") }

func failFirst(attempt int) error {
	if attempt == 1 {
		return errors.New("no luck at first")
	}
	return nil
}

func snoozeOnce() func(int) error {
	var done atomic.Bool
	return func(int) error {
		if done.CompareAndSwap(false, true) {
			return tasks.Snooze(time.Millisecond)
		}
		return nil
	}
}

// A worker that stops hands its task back. Killed before the hand-back is stored
// it counts as a lost lease, since nobody can tell; killed after, it does not.
func TestKilledBetweenTheStepsOfHandingBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		step string
		lost int
	}{
		{"before its event", "event", 1},
		{"after its event", "follow", 0},
		{"before its nak", "ack", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, shortLease)
			started := make(chan int, 2)
			var r tasks.Registry
			tasks.Handle(&r, tasks.Type[number, number]{Name: "long"}, func(ctx context.Context, in number) (number, error) {
				started <- tasks.Current(ctx).Lost
				<-ctx.Done()
				return in, ctx.Err()
			})
			source := h.source()
			source.Fault(killOnce(c.step))
			stop := h.work(&r, source)
			receipt := h.publish(tasks.Task{Type: "long", ID: "long", Payload: []byte(`{"n":1}`)})
			if lost := <-started; lost != 0 {
				t.Fatalf("first delivery has %d lost leases, want 0", lost)
			}
			stop()
			stop = h.work(&r, h.source())
			if lost := <-started; lost != c.lost {
				t.Errorf("after the hand-back %d leases are lost, want %d", lost, c.lost)
			}
			stop()
			info, err := h.Client.Task(h.ctx, receipt.ID)
			if err != nil || info.Run != receipt.Run || info.State.Terminal() {
				t.Errorf("Task(%s) = %+v, %v, want the same run, not ended", receipt.ID, info, err)
			}
		})
	}
}
