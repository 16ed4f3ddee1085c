package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sparkle/streams"
	"sparkle/tasks"
)

// A Code is what a program exits with.
type Code int

// The exit codes of every program.
const (
	OK       Code = 0
	Failed   Code = 1 // whatever has no code of its own
	Usage    Code = 2 // wrong flags or arguments; a type or a payload that is refused
	NotFound Code = 3
	Waiting  Code = 4 // a conflict: a task of this id has not ended, or it has
	Conflict Code = 4 // any other one: what is there differs from what is asked for
	TimedOut Code = 5
	TaskDead Code = 6 // the task ended, and did not succeed
)

// A Fault is an error that knows its exit code and what to do now.
type Fault struct {
	Code Code
	Err  error
	Hint string // a sentence or a command; may be empty
}

func (f *Fault) Error() string { return f.Err.Error() }
func (f *Fault) Unwrap() error { return f.Err }

// Misuse is the fault of who typed the command.
func Misuse(format string, args ...any) error {
	return &Fault{Code: Usage, Err: fmt.Errorf(format, args...)}
}

// Advise adds what to do to an error that has no better advice; nil stays nil.
func Advise(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	v := Explain(err)
	if v.Hint == "" {
		v.Hint = fmt.Sprintf(format, args...)
	}
	return &Fault{Code: v.Code, Err: err, Hint: v.Hint}
}

// A Verdict is what a program says of an error, and its exit code.
type Verdict struct {
	Code Code
	Text string
	Hint string
}

// Explain maps an error to its exit code, to a text that says what happened to
// which thing, and to what to do now.
func Explain(err error) Verdict {
	v := Verdict{Code: Failed, Text: err.Error()}
	var (
		fault   *Fault
		invalid *tasks.InvalidError
		waiting *streams.WaitingError
		failed  *streams.FailedError
		worker  *streams.WorkerNotFoundError
	)
	switch {
	case errors.As(err, &fault):
		v.Code, v.Hint = fault.Code, fault.Hint
	case errors.As(err, &invalid):
		v.Code = Usage
	case errors.As(err, &waiting):
		v.Code, v.Text = Waiting, fmt.Sprintf("task %s has not ended (run %s)", waiting.ID, waiting.Run)
		v.Hint = fmt.Sprintf("wait for it with: sparkle task await %s; or choose another id", waiting.ID)
	case errors.Is(err, streams.ErrWaiting), errors.Is(err, tasks.ErrEnded), errors.Is(err, streams.ErrNotDelayed):
		v.Code = Waiting
	case errors.As(err, &failed):
		v.Code, v.Hint = TaskDead, "its attempts: sparkle task show "+failed.ID
	case errors.As(err, &worker):
		v.Code, v.Hint = NotFound, "the workers that answer: sparkle worker ls"
	case errors.Is(err, streams.ErrNotFound):
		v.Code, v.Hint = NotFound, "check the id and --namespace; events are kept for 7 days unless set otherwise"
	case errors.Is(err, streams.ErrNoLetter):
		v.Code, v.Hint = NotFound, "it was replayed or removed meanwhile; sparkle dead ls shows what is there"
	default:
		return explainServer(err, v)
	}
	return v
}

// ExplainServer explains what NATS answered, or that it did not.
func explainServer(err error, v Verdict) Verdict {
	switch {
	case errors.Is(err, streams.ErrNoTopology):
		v.Hint = "start a consumer, which makes the streams, or check --namespace"
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount),
		errors.Is(err, nats.ErrNoResponders):
		v.Hint = "start the NATS server with -js, or use: consumer --dev"
	case errors.Is(err, streams.ErrFull):
		v.Hint = "start more consumers, or publish again later; sparkle queue ls shows the queues"
	case errors.Is(err, streams.ErrUnreachable):
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		v.Code = TimedOut
	case errors.Is(err, context.Canceled):
		v.Text = "interrupted"
	}
	return v
}
