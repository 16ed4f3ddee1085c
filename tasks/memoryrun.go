package tasks

import (
	"container/list"
	"context"
	"fmt"
	"time"
)

// A memoryRun is one life of an id in a [Memory]: delayed, or waiting in its
// queue, or leased. The Memory's mutex guards all of it but the task.
type memoryRun struct {
	Task
	memory    *Memory
	queue     *memoryQueue
	run       string
	attempt   int
	lost      int
	alone     int  // of the lost, as a suspect that ran
	runs      bool // as a suspect
	ready     time.Time
	place     uint64         // in its queue
	waits     *list.Element  // nil: not in its queue
	lease     *memoryLease   // nil: not leased
	timer     *time.Timer    // to the end of the delay or of the lease
	alarms    int            // how often the timer was set or stopped
	cancelled *CancelOptions // nil while it was not
}

// Delay puts the run into its queue at a time, which may have passed.
func (r *memoryRun) delay(at time.Time) {
	wait := time.Until(at)
	if wait > 0 {
		r.alarm(wait, func() { r.join(time.Now()) })
		return
	}
	r.join(time.Now())
}

// Join puts the run at the end of its queue.
func (r *memoryRun) join(now time.Time) {
	r.disarm()
	r.ready = now
	r.memory.places++
	r.place = r.memory.places
	r.queue.add(r)
}

// Rejoin puts the run back where it stood in its queue.
func (r *memoryRun) rejoin() {
	r.disarm()
	r.lease = nil
	r.queue.add(r)
}

// Hold leases the run.
func (r *memoryRun) hold() *Delivery {
	r.lease, r.runs = &memoryLease{r}, false
	r.keep()
	return &Delivery{
		Task: r.Task, Run: r.run, Attempt: r.attempt, Lost: r.lost, Alone: r.alone, Ready: r.ready, Lease: r.lease,
	}
}

// Keep starts the ack wait anew.
func (r *memoryRun) keep() {
	r.alarm(r.memory.options.AckWait, func() {
		r.lost++
		if r.runs {
			r.alone++
		}
		r.rejoin()
	})
}

// Alarm calls f with the Memory's mutex held, unless another alarm or disarm
// comes first.
func (r *memoryRun) alarm(d time.Duration, f func()) {
	r.disarm()
	alarm := r.alarms
	r.timer = time.AfterFunc(d, func() {
		r.memory.mu.Lock()
		defer r.memory.mu.Unlock()
		if r.alarms == alarm {
			f()
		}
	})
}

func (r *memoryRun) disarm() {
	r.alarms++
	if r.timer != nil {
		r.timer.Stop()
	}
}

func (r *memoryRun) record(e Event) {
	e.ID, e.Type, e.Run, e.Attempt, e.Lost, e.Time = r.ID, r.Type, r.run, r.attempt, r.lost, time.Now()
	r.memory.past.add(e)
}

// End forgets the run but for its events.
func (r *memoryRun) end(o Outcome) {
	r.disarm()
	r.lease = nil
	delete(r.memory.live, r.ID)
	if o.State == Dead {
		r.memory.past.bury(DeadLetter{
			Task: r.Task, Run: r.run, Attempt: r.attempt, Lost: r.lost,
			Reason: o.Reason, Error: o.Error, Time: time.Now(),
		})
	}
	r.memory.past.end(r.ID)
}

// A memoryLease is valid as long as it is its run's.
type memoryLease struct{ run *memoryRun }

// Extend implements [Lease].
func (l *memoryLease) Extend(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := l.run
	r.memory.mu.Lock()
	defer r.memory.mu.Unlock()
	if r.lease != l {
		return fmt.Errorf("extend %s: %w", r.ID, ErrLeaseLost)
	}
	r.keep()
	return nil
}

// Report implements [Lease].
func (l *memoryLease) Report(report Report) {
	r := l.run
	r.memory.mu.Lock()
	defer r.memory.mu.Unlock()
	if r.lease == l {
		r.runs = r.lost >= SuspectAfter
		r.record(Event{State: Running, Report: report})
	}
}

// Settle implements [Lease]. It answers [ErrLeaseLost] when the lease ran out or
// was settled.
func (l *memoryLease) Settle(ctx context.Context, o Outcome) error {
	r := l.run
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("settle %s: %w", r.ID, err)
	}
	r.memory.mu.Lock()
	defer r.memory.mu.Unlock()
	switch {
	case r.lease != l && o.State == Cancelled && r.cancelled != nil:
		return nil // ended already
	case r.lease != l:
		return fmt.Errorf("settle %s: %w", r.ID, ErrLeaseLost)
	case r.cancelled != nil && !o.State.Terminal():
		o = r.cancelled.outcome()
	}
	switch {
	case o.State.Terminal():
		r.record(Event{State: o.State, Outcome: o})
		r.end(o)
	case o.State == Returned:
		r.record(Event{State: o.State, Outcome: o})
		r.rejoin()
	case o.State == Retrying || o.State == Scheduled || o.State == Parked:
		r.record(Event{State: o.State, Outcome: o})
		r.lease, r.attempt, r.lost, r.alone = nil, o.NextAttempt(r.attempt), 0, 0
		r.delay(o.At)
	default:
		return fmt.Errorf("settle %s: %q is no outcome", r.ID, o.State)
	}
	return nil
}

// Succeed implements [Lease].
func (l *memoryLease) Succeed(ctx context.Context, o *Outcome, then func(error)) {
	then(l.Settle(ctx, *o))
}
