package tasks

import (
	"cmp"
	"slices"
	"time"
)

// WorkerStats is what a worker does at one moment.
type WorkerStats struct {
	Name   string `json:"name"`
	Slots  int    `json:"slots"`
	Leased int    `json:"leased"` // not settled, the running ones included
	// Draining says that it takes no more tasks: it was drained, or it stops.
	Draining bool `json:"draining"`
	// Stuck is how many handlers go on after their attempt was settled without
	// them.
	Stuck   int           `json:"stuck"`
	Queues  []string      `json:"queues"`
	Types   []string      `json:"types"`
	Running []RunningTask `json:"running"`
}

// A RunningTask occupies a slot.
type RunningTask struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Priority Priority  `json:"priority"`
	Attempt  int       `json:"attempt"`
	Started  time.Time `json:"started"`
}

// Stats returns what the worker does now. It is safe for concurrent use.
func (w *Worker) Stats() WorkerStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := WorkerStats{Name: w.options.Name, Slots: w.slots, Leased: len(w.held), Draining: w.stopping, Stuck: w.stuck, Running: []RunningTask{}}
	for _, f := range w.flows {
		s.Queues = append(s.Queues, f.queue.String())
	}
	for name := range w.types {
		if name != ProbeType { // which every worker has
			s.Types = append(s.Types, name)
		}
	}
	for a := range w.running {
		s.Running = append(s.Running, RunningTask{ID: a.ID, Type: a.Type, Priority: a.Priority, Attempt: a.Attempt, Started: a.started})
	}
	slices.Sort(s.Queues)
	slices.Sort(s.Types)
	slices.SortFunc(s.Running, func(a, b RunningTask) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID))
	})
	return s
}
