package tasks

import (
	"context"
	"encoding/json"
	"time"
)

// A Source leases tasks to a worker. Package streams has the one of JetStream,
// [Memory] is the one in process; package sourcetest holds what both must keep.
type Source interface {
	// Control tells w, by its methods, which runs are cancelled and which types
	// are paused, until ctx is done; then it returns nil. Once all that stands
	// has been told it calls ready: the worker opens no queue before, so that
	// no cancelled run is started.
	Control(ctx context.Context, w *Worker, ready func()) error
	// Open lets the tasks of q come to deliver, which must not block, as many
	// as the tap is asked for. The tap works until ctx is done or it is drained.
	Open(ctx context.Context, q Queue, deliver func(*Delivery)) (Tap, error)
}

// A Tap is the flow of one queue's tasks to one worker. Its methods are safe for
// concurrent use; none of them calls deliver itself, since their caller may hold
// a lock that deliver takes.
type Tap interface {
	// Want sets how many more tasks may come from now on; it replaces the
	// number of the last call less what came since. Rarely, after a lost
	// connection, a few more come.
	Want(n int)
	// Drain ends the flow and returns when every task that was on its way has
	// been delivered, or with ctx's error.
	Drain(ctx context.Context) error
}

// A Delivery is one lease of one task.
type Delivery struct {
	// Task has no Payload where Load is set.
	Task
	// Load fetches a payload that did not come with the task: it is large, or
	// not written as JSON. The worker calls it once, when the attempt starts,
	// so that what is only leased ahead holds no memory. An [*InvalidError]
	// buries the task; any other error is a failed attempt. Nil: Payload is all.
	Load func(ctx context.Context) (json.RawMessage, error)
	// Run identifies this life of the id.
	Run string
	// Attempt counts from 1; only failed attempts raise it.
	Attempt int
	// Lost is how often a worker held this attempt and neither settled it nor
	// handed it back: its process died or hung, with it or beside it.
	Lost int
	// Alone is how many of the Lost came about while the attempt ran as a
	// suspect and nothing beside it: then it did it itself.
	Alone int
	// Ready is when the task became ready to run.
	Ready time.Time
	// Lease is the worker's hold on the task.
	Lease Lease

	input any // the decoded payload, once it has been checked
}

// A Lease is a worker's hold on a delivered task. Exactly one Settle ends it; a
// lease neither settled nor extended before the ack wait runs out is delivered
// again. Its methods are safe for concurrent use.
type Lease interface {
	// Extend keeps the lease for another ack wait and returns when the source
	// has confirmed it.
	Extend(ctx context.Context) error
	// Report makes known that the task runs, with its progress if there is
	// any. It is best effort and must not block. The worker does not call it
	// once it has begun to settle.
	Report(Report)
	// Settle stores the outcome, then the retry or dead letter that follows
	// from it, then gives the lease up, and returns when all is stored. An
	// error means that the task will be delivered again. The slot is free
	// meanwhile.
	Settle(ctx context.Context, o Outcome) error
	// Succeed is Settle of an outcome that nothing follows, state succeeded,
	// for whom a goroutine that waits is too dear: it does not block, and calls
	// then once with Settle's answer, on this goroutine or another.
	Succeed(ctx context.Context, o *Outcome, then func(error))
}

// A Report says that an attempt runs.
type Report struct {
	Worker   string
	Started  time.Time
	Fraction float64 // 0 to 1
	Note     string  // at most 256 bytes
	First    bool    // the first report of this attempt
}

// An Outcome is how an attempt ended.
type Outcome struct {
	// State is succeeded, retrying, scheduled (snoozed), parked, dead, expired,
	// cancelled or returned.
	State State
	// Result is the handler's answer when State is succeeded.
	Result json.RawMessage
	// Reason says why, when State is dead or parked.
	Reason Reason
	// Error and Stack tell what went wrong, at most 4 and 8 KiB.
	Error, Stack string
	// By is who cancelled the run, and Note why, when State is cancelled.
	By, Note string
	// At is when the task is due again, when State is retrying, scheduled or
	// parked.
	At time.Time
	// Worker ran the attempt from Started to Ended; Started is zero when no
	// handler was called.
	Worker         string
	Started, Ended time.Time
}

// NextAttempt returns the attempt with which a task of attempt n goes on.
func (o Outcome) NextAttempt(n int) int {
	if o.State == Retrying {
		return n + 1
	}
	return n
}
