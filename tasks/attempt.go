package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"runtime/pprof"
	"sync/atomic"
	"time"
)

// An attempt is a delivery in a worker's hands: leased ahead, running, or being
// settled. The worker's mutex guards the fields below the line.
type attempt struct {
	*Delivery
	worker *Worker
	flow   *flow
	cancel context.CancelCauseFunc
	base   context.Context // outlives the handler, for settling
	ctx    context.Context // the handler's own; the keeper reads its cause
	report reporter
	taken  atomic.Bool // whoever sets it settles the attempt

	// ---
	started   time.Time
	called    bool      // its handler was called
	extended  time.Time // when the lease was last asked to be extended
	confirmed time.Time // when the source last confirmed it
	extending bool
	lost      bool      // its lease was given up: no more extensions
	cancelled time.Time // when ctx was first seen done
	result    int       // bytes that are to be stored
	// Why its run was cancelled; nil while it was not.
	cancellation *Cancellation
}

// Guilty reports that the attempt has lost all the leases that it may, and those
// of a suspect by itself: what only stood beside it is run, again and alone.
func (a *attempt) guilty() bool {
	most := a.worker.options.MaxLost
	return a.Lost >= most && a.Alone >= most-SuspectAfter
}

func (a *attempt) suspect() bool { return a.Lost >= SuspectAfter && !a.guilty() }

// Testify makes the source store that a suspect is about to run, for its lease
// tells no more once the process has died of it. A source takes the report
// before it confirms the extension. When it confirms nothing the attempt runs
// all the same: it is then buried later.
func (a *attempt) testify() {
	ctx, cancel := context.WithTimeout(a.base, a.worker.options.AckWait/6)
	defer cancel()
	a.Lease.Report(Report{Worker: a.worker.options.Name, Started: a.started, First: true})
	if err := a.Lease.Extend(ctx); err != nil {
		a.worker.options.Log.Warn().Str("task", a.ID).Str("type", a.Type).Err(err).Msg("suspect runs unrecorded")
	}
}

// Execute runs the handler and decides what follows from its answer.
func (a *attempt) execute(ctx context.Context) (o Outcome, settle bool) {
	kind, known := a.worker.types[a.Type]
	now := time.Now()
	again, paused := a.worker.pausedType(a.Type, now)
	switch {
	case errors.Is(context.Cause(ctx), ErrLeaseLost):
		return Outcome{}, false
	case errors.Is(context.Cause(ctx), ErrCancelled):
		return cancelledOutcome(nil), true
	case !a.Expires.IsZero() && now.After(a.Expires):
		return Outcome{State: Expired}, true
	case a.guilty():
		return a.worker.buryLost(a), true
	case paused:
		return Outcome{State: Parked, Reason: ReasonPaused, At: again}, true
	case !known:
		return Outcome{State: Parked, Reason: ReasonUnknownType, At: now.Add(parkFor)}, true
	}
	timeout := kind.Timeout
	if a.Timeout > 0 {
		timeout = a.Timeout
	}
	ctx, stop := context.WithTimeoutCause(ctx, timeout, ErrTimeout)
	defer stop()
	a.worker.began(ctx, a)
	result, err := a.call(ctx, kind.handler)
	return a.decide(kind.Retry, result, err, context.Cause(ctx))
}

// Call runs the handler with recovery; its goroutine is labelled, so that
// profiles and dumps name the task.
func (a *attempt) call(ctx context.Context, handler Handler) (result json.RawMessage, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: bounded(fmt.Sprint(v), maxErrorText), Stack: bounded(string(debug.Stack()), maxStackText)}
		}
	}()
	pprof.SetGoroutineLabels(pprof.WithLabels(ctx, pprof.Labels("task_type", a.Type, "task_id", a.ID)))
	if a.Load == nil {
		return handler(ctx, a.Delivery)
	}
	if a.Payload, err = a.load(ctx); err != nil {
		return nil, err
	}
	defer func() { a.Payload = nil }() // settling needs only where it is
	return handler(ctx, a.Delivery)
}

func (a *attempt) load(ctx context.Context) (json.RawMessage, error) {
	payload, err := a.Load(ctx)
	var wrong *InvalidError
	switch {
	case errors.As(err, &wrong):
		return nil, unfit(wrong)
	case err != nil:
		return nil, fmt.Errorf("load the payload: %w", err)
	}
	return payload, nil
}
