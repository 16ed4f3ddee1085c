package tasks

import "time"

// A flow is one queue's tasks on their way into a worker: leased, not started.
// The worker's mutex guards it.
type flow struct {
	queue   Queue
	tap     Tap
	ready   []*attempt
	runTime time.Duration // moving mean of the run time; 0 until measured
	lastRun time.Time
}

const (
	maxPrefetch    = 250                   // unstarted tasks leased ahead, per queue
	prefetchAhead  = 50 * time.Millisecond // the work leased ahead
	prefetchMemory = 10 * time.Second      // after that the measured run time is forgotten
)

// Prefetch is what the slots finish in prefetchAhead at the measured run time: 1
// while nothing is known or runs are long, so that a task waits where a slot is
// free and not behind a busy worker.
func (f *flow) prefetch(slots int, now time.Time) int {
	if f.runTime <= 0 || now.Sub(f.lastRun) > prefetchMemory {
		return 1
	}
	return min(max(int(prefetchAhead*time.Duration(slots)/f.runTime), 1), maxPrefetch)
}

// Measured takes a run into the mean, with weight 1/8.
func (f *flow) measured(took time.Duration, now time.Time) {
	took = max(took, time.Microsecond)
	if f.runTime == 0 {
		f.runTime = took
	}
	f.runTime += (took - f.runTime) / 8
	f.lastRun = now
}

func (f *flow) push(a *attempt) { f.ready = append(f.ready, a) }

func (f *flow) pop() *attempt {
	a := f.ready[0]
	f.ready[0] = nil
	if f.ready = f.ready[1:]; len(f.ready) == 0 {
		f.ready = nil
	}
	return a
}

// Ask lets more tasks come: the prefetch, and the flow's share of the slots that
// are free, once less than half of that is there.
func (f *flow) ask(slots, share int, now time.Time) {
	target := f.prefetch(slots, now) + share
	if len(f.ready) <= target/2 {
		f.tap.Want(target - len(f.ready))
	}
}
