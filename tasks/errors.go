package tasks

import (
	"errors"
	"fmt"
	"time"
)

// Causes with which a handler's context is cancelled, as [context.Cause] tells.
var (
	// ErrTimeout ends an attempt that ran longer than its timeout.
	ErrTimeout = errors.New("attempt timed out")
	// ErrShutdown ends an attempt whose worker stops; the task is handed back
	// and no attempt is spent.
	ErrShutdown = errors.New("worker is stopping")
	// ErrLeaseLost ends an attempt whose lease could not be extended; the task
	// is delivered again, and what this attempt returns is ignored.
	ErrLeaseLost = errors.New("lease lost")
	// ErrCancelled ends an attempt whose run was cancelled; the task is neither
	// retried nor buried, whatever the handler returns.
	ErrCancelled = errors.New("task was cancelled")
)

// Answers about a task of an id.
var (
	// ErrNotFound says that nothing is known of a task: it never was, or what
	// was known of it is no longer kept.
	ErrNotFound = errors.New("task not found")
	// ErrEnded says that a run has ended. errors.As with [*EndedError] tells
	// how.
	ErrEnded = errors.New("task has ended")
)

// Refusals of a publish.
var (
	// ErrWaiting refuses a chosen id that another task has: one that is
	// scheduled, waiting, running, retrying, parked or held. The id is free
	// again once that task has ended.
	ErrWaiting = errors.New("a task of this id has not ended")
	// ErrFull refuses a task while too many wait.
	ErrFull = errors.New("too many tasks wait")
)

// Permanent marks err as one that no retry can mend: the task becomes a dead
// letter at once. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err, ReasonPermanent}
}

// Unfit is the permanent failure of a task whose payload does not fit its type.
func unfit(err error) error { return &permanentError{err, ReasonPayload} }

type permanentError struct {
	err    error
	reason Reason
}

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// RetryAfter fails the attempt with err and asks for the next one after d,
// whatever the type's policy says: for a service that answered "try again in d".
// It spends an attempt. A negative d means at once.
func RetryAfter(d time.Duration, err error) error {
	if err == nil {
		err = errors.New("asked to retry later")
	}
	return &retryAfterError{after: d, err: err}
}

type retryAfterError struct {
	after time.Duration
	err   error
}

func (e *retryAfterError) Error() string { return e.err.Error() }
func (e *retryAfterError) Unwrap() error { return e.err }

// Snooze puts the task off for d without spending an attempt: what it waits for
// is not there yet. Bound it with the task's Expires where it must end.
func Snooze(d time.Duration) error { return &snoozeError{d} }

type snoozeError struct{ after time.Duration }

func (e *snoozeError) Error() string { return fmt.Sprintf("snoozed for %v", e.after) }

var errGoexit = errors.New("handler ended its goroutine")

// A PanicError is the failure of an attempt whose handler panicked.
type PanicError struct {
	Value string // what was passed to panic, printed
	Stack string // where, at most 8 KiB
}

func (e *PanicError) Error() string { return "panic: " + e.Value }

// A StuckError is the failure of an attempt whose handler went on after its
// context was cancelled. Its slot was given to the next task.
type StuckError struct {
	Cause error         // why the context was cancelled
	After time.Duration // how long the handler was waited for
	Stack string        // what the handler was doing, at most 8 KiB
}

func (e *StuckError) Error() string {
	return fmt.Sprintf("handler ignores its cancelled context (%v) for %v", e.Cause, e.After)
}

func (e *StuckError) Unwrap() error { return e.Cause }
