package tasks

import "time"

// An Event is one change in the life of a run. The last one of a run is its
// state; what has none yet is scheduled or waiting.
type Event struct {
	ID      string
	Type    string
	Run     string
	Attempt int
	Lost    int // leases that this attempt had lost
	State   State
	Time    time.Time
	// Outcome tells how the attempt ended. Zero when State is running.
	Outcome Outcome
	// Report tells who runs it and how far it is. Zero unless State is running.
	Report Report
}

// A DeadLetter is a task that was given up, with what is known of it.
type DeadLetter struct {
	Task
	Run     string
	Attempt int
	Lost    int
	Reason  Reason
	Error   string
	Time    time.Time // when it was buried
	History []Event   // of this run, oldest first
}
