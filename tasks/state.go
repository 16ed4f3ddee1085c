package tasks

// A State says where a run stands. Scheduled and waiting are read from the queue
// itself; all others are events.
type State string

// The states of a run.
const (
	Scheduled State = "scheduled" // due at a later time
	Waiting   State = "waiting"   // ready, no worker has it
	Running   State = "running"   // a handler works on it
	Returned  State = "returned"  // handed back by a worker that stops; waiting again
	Retrying  State = "retrying"  // failed, the next attempt is scheduled
	Parked    State = "parked"    // no worker could run it; tried again later
	Held      State = "held"      // waits for a person's approval
	Succeeded State = "succeeded" // done, with its result
	Dead      State = "dead"      // given up; a dead letter has it
	Cancelled State = "cancelled" // stopped by a person
	Expired   State = "expired"   // was not started in time
)

// Terminal reports whether s ends a run: nothing happens to the run after it.
func (s State) Terminal() bool {
	switch s {
	case Succeeded, Dead, Cancelled, Expired:
		return true
	default:
		return false
	}
}

// A Reason says why a run is dead or parked. Reasons are few, so that they can
// be counted and searched.
type Reason string

// Why a task became a dead letter.
const (
	ReasonAttempts  Reason = "attempts"   // its last attempt failed
	ReasonPermanent Reason = "permanent"  // its handler said that a retry cannot help
	ReasonPayload   Reason = "payload"    // its payload does not fit its type
	ReasonLeaseLost Reason = "lease lost" // its process died or hung too often
	// Another run of its id, published without a guard, took its place.
	ReasonSuperseded Reason = "superseded"
)

// Why a task was parked.
const (
	ReasonUnknownType Reason = "unknown type" // the worker has no handler for it
	ReasonPaused      Reason = "paused"       // somebody has paused its type
)
