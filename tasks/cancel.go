package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// CancelOptions says which run of an id is cancelled, by whom and why.
type CancelOptions struct {
	// Run to cancel; at most [MaxUser] bytes without control characters.
	// Default: the one that the id has now.
	Run string
	// By is who cancels; at most [MaxUser] bytes without control characters.
	By string
	// Reason is for people; at most [MaxNote] bytes without control characters.
	Reason string
}

// Check reports the first field that cannot be stored, as an [*InvalidError].
func (o CancelOptions) Check() error {
	switch {
	case len(o.Run) > MaxUser || strings.ContainsFunc(o.Run, isControl):
		return invalid("run", "want at most %d bytes without control characters", MaxUser)
	case len(o.By) > MaxUser || strings.ContainsFunc(o.By, isControl):
		return invalid("by", "want at most %d bytes without control characters", MaxUser)
	case len(o.Reason) > MaxNote || strings.ContainsFunc(o.Reason, isControl):
		return invalid("reason", "want at most %d bytes without control characters", MaxNote)
	}
	return nil
}

// A Cancellation tells the workers that a run was cancelled.
type Cancellation struct {
	ID     string `json:"id"`
	Run    string `json:"run"`
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// A Stopped is what a worker had of a run when it first heard that it was
// cancelled.
type Stopped struct {
	ID  string `json:"id"`
	Run string `json:"run"`
	// Started says that its handler was called; one that was not is dropped.
	Started bool `json:"started,omitempty"`
	// Settling says that the attempt had ended, and its outcome is being stored.
	Settling bool `json:"settling,omitempty"`
}

// An EndedError says that a run had ended before it was to be changed.
type EndedError struct {
	ID, Run string
	State   State
}

func (e *EndedError) Error() string {
	return fmt.Sprintf("task %s (run %s) has ended: it is %s", e.ID, e.Run, e.State)
}

// Unwrap makes errors.Is(err, ErrEnded) true.
func (e *EndedError) Unwrap() error { return ErrEnded }

// Cancel stops what the worker has of these runs and returns what that was, or
// had been when it was told of them before. The context of a running handler is
// cancelled with [ErrCancelled]; a task that was not started is dropped; one that
// comes within the next hour is dropped too. None of them is retried or buried.
// Cancel does not wait until they are settled. It is safe for concurrent use and
// bears repetition.
func (w *Worker) Cancel(list []Cancellation) []Stopped {
	asked := make(map[runKey]*Cancellation, len(list))
	for i := range list {
		asked[runKey{list[i].ID, list[i].Run}] = &list[i]
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancelled.add(asked, time.Now())
	var held []Stopped
	dropped := map[*attempt]bool{}
	for a := range w.held {
		c := asked[runKey{a.ID, a.Run}]
		if c == nil || a.cancellation != nil {
			continue
		}
		a.cancellation = c
		_, runs := w.running[a]
		settling := a.taken.Load()
		w.cancelled.met(Stopped{ID: a.ID, Run: a.Run, Started: a.called, Settling: settling})
		switch {
		case settling:
		case runs:
			a.cancel(ErrCancelled)
		default:
			dropped[a] = true
		}
	}
	w.drop(dropped)
	for key := range asked {
		if stopped := w.cancelled.runs[key].stopped; stopped != nil {
			held = append(held, *stopped)
		}
	}
	return held
}

// Drop takes attempts that were not started out of their flows and settles them.
func (w *Worker) drop(dropped map[*attempt]bool) {
	if len(dropped) == 0 {
		return
	}
	for _, f := range w.flows {
		f.ready = slices.DeleteFunc(f.ready, func(a *attempt) bool { return dropped[a] })
	}
	if dropped[w.alone] {
		w.alone = nil
	}
	for a := range dropped {
		go w.endUnstarted(a, Outcome{State: Cancelled})
	}
}

// CancelledOutcome is that of an attempt whose run was cancelled. What the
// handler answered is kept where it tells more than that it was stopped.
func cancelledOutcome(err error) Outcome {
	o := Outcome{State: Cancelled, Stack: stackOf(err)}
	stopped := errors.Is(err, context.Canceled) || errors.Is(err, ErrCancelled)
	if err != nil && (!stopped || o.Stack != "") {
		o.Error = bounded(err.Error(), maxErrorText)
	}
	return o
}

// Revise makes an outcome that would let the run go on one that ends it, where
// the run was cancelled after its handler had returned.
func (w *Worker) revise(a *attempt, o Outcome) Outcome {
	w.mu.Lock()
	c := a.cancellation
	w.mu.Unlock()
	if c == nil || (o.State.Terminal() && o.State != Cancelled) {
		return o
	}
	return Outcome{State: Cancelled, Error: o.Error, Stack: o.Stack, By: c.By, Note: c.Reason}
}

type runKey struct{ id, run string }

const (
	rememberCancelled = time.Hour
	maxCancelled      = 1_000_000
)

// CancelledRuns are those of which a worker may still get deliveries. The
// worker's mutex guards them.
type cancelledRuns struct {
	runs  map[runKey]cancelledRun
	swept time.Time
}

type cancelledRun struct {
	*Cancellation
	told    time.Time
	stopped *Stopped // nil: the worker has had nothing of it
}

func (r *cancelledRuns) add(asked map[runKey]*Cancellation, now time.Time) {
	if r.runs == nil {
		r.runs = map[runKey]cancelledRun{}
	}
	r.forget(now)
	for key, c := range asked {
		if known, ok := r.runs[key]; ok {
			known.told = now
			r.runs[key] = known
		} else if len(r.runs) < maxCancelled {
			r.runs[key] = cancelledRun{Cancellation: c, told: now}
		}
	}
}

// Met remembers what the worker had of a run.
func (r *cancelledRuns) met(s Stopped) {
	key := runKey{s.ID, s.Run}
	if known, ok := r.runs[key]; ok {
		known.stopped = &s
		r.runs[key] = known
	}
}

// Forget drops what is an hour old, at most once a minute.
func (r *cancelledRuns) forget(now time.Time) {
	if now.Sub(r.swept) < time.Minute {
		return
	}
	r.swept = now
	for key, c := range r.runs {
		if now.Sub(c.told) >= rememberCancelled {
			delete(r.runs, key)
		}
	}
}

// Of returns the cancellation of a delivery's run, nil when there is none.
func (r *cancelledRuns) of(d *Delivery) *Cancellation {
	if len(r.runs) == 0 {
		return nil
	}
	return r.runs[runKey{d.ID, d.Run}].Cancellation
}
