// Package sourcetest holds what every [tasks.Source] must keep: a suite that
// runs a [tasks.Worker] over it and looks at what became of the tasks.
package sourcetest

import (
	"context"
	"testing"
	"time"

	"sparkle/tasks"
)

// A Bench is a source that is fresh and empty, and what the suite needs to look
// into it. The functions are called from the test's goroutine and from handlers.
type Bench struct {
	// Source under test.
	Source tasks.Source
	// AckWait of the source. Over a server 1 s makes the suite short.
	AckWait time.Duration
	// Publish stores a task and returns its id and run. It must not check the
	// payload against a registry. A task without priority and pool goes to
	// default-main. It refuses an id that lives with [tasks.ErrWaiting].
	Publish func(ctx context.Context, t tasks.Task) (id, run string, err error)
	// Events returns what happened to an id, oldest first.
	Events func(ctx context.Context, id string) ([]tasks.Event, error)
	// DeadLetters returns all dead letters. The suite looks at their ID, Type,
	// Payload, Run, Attempt, Reason, Error and at the states in History.
	DeadLetters func(ctx context.Context) ([]tasks.DeadLetter, error)
	// Cancel ends a run. It answers [tasks.ErrEnded] as a [*tasks.EndedError] for
	// one that ended otherwise, and [tasks.ErrNotFound].
	Cancel func(ctx context.Context, id string, o tasks.CancelOptions) error
	// Hurry makes a parked task ready now, or waits until it is. Nil: the suite
	// does not see a parked task run.
	Hurry func(ctx context.Context, id string) error
}

// Test runs every case as a subtest over a bench of its own. Within runs the
// body of a subtest: [testing/synctest.Test] in virtual time, [RealTime] over a
// server; open is called inside of it.
func Test(t *testing.T, within func(*testing.T, func(*testing.T)), open func(*testing.T) Bench) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			within(t, func(t *testing.T) { c.run(&fixture{T: t, Bench: open(t)}) })
		})
	}
}

// RealTime runs the body of a case as it is.
func RealTime(t *testing.T, body func(*testing.T)) { body(t) }

type testCase struct {
	name string
	run  func(*fixture)
}

func cases() []testCase {
	return []testCase{
		{"a task succeeds with its result", succeeds},
		{"a task arrives as it was published", arrivesAsPublished},
		{"failed attempts are counted and their errors kept", countsFailures},
		{"a permanent error buries at once", buriesPermanent},
		{"a payload of the wrong shape is buried and names the field", buriesPayload},
		{"exhausted attempts bury", buriesExhausted},
		{"a panic fails the attempt with its stack", recordsPanic},
		{"RetryAfter overrides the policy", retriesAfter},
		{"Snooze spends no attempt", snoozes},
		{"a task does not start before its time", startsNotBefore},
		{"an expired task ends unrun", expires},
		{"progress is seen while the task runs", showsProgress},
		{"a task of unknown type is parked and keeps its attempt", parksUnknown},
		{"an id that lives is refused and free after its end", refusesLivingID},
		{"weights share the starts", sharesByWeight},
		{"strict leaves a share to the others", sharesStrictly},
		{"a tap delivers no more than is wanted", deliversWanted},
		{"a drained tap takes nothing", drainedTapTakesNothing},
		{"a long task keeps its lease", keepsLease},
		{"a task whose lease was lost runs elsewhere", redelivers},
		{"too many lost leases bury unrun", buriesLost},
		{"a suspect runs alone", runsSuspectAlone},
		{"a cancelled task that waits or is scheduled never runs", cancelsWaiting},
		{"a cancelled handler is stopped, and the task goes no further", cancelsRunning},
		{"a handler that ignores its cancellation is told of", recordsStuckCancelled},
		{"one run of an id is cancelled, and no other", cancelsOneRun},
		{"ten shutdowns spend no attempt", survivesShutdowns},
		{"restarts lose and double nothing", losesNothing},
	}
}
