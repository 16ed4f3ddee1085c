package tasks

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// Control implements [Source].
func (m *Memory) Control(ctx context.Context, w *Worker, ready func()) error {
	m.mu.Lock()
	m.workers[w] = struct{}{}
	m.mu.Unlock()
	ready()
	<-ctx.Done()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.workers, w)
	return nil
}

// Cancel ends a run: one that waits or is delayed at once, a running one by
// cancelling its handler's context with [ErrCancelled]. It answers [ErrEnded]
// for a run that ended otherwise, [ErrNotFound] for one that is not known, and an
// [*InvalidError] for options that cannot be stored. Cancelling a cancelled run
// is no error.
func (m *Memory) Cancel(ctx context.Context, id string, o CancelOptions) error {
	if err := o.Check(); err != nil {
		return fmt.Errorf("cancel %s: %w", clip(id), err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("cancel %s: %w", clip(id), err)
	}
	r, workers, err := m.cancel(id, o)
	if err != nil {
		return fmt.Errorf("cancel %s: %w", clip(id), err)
	}
	if r == nil {
		return nil
	}
	for _, w := range workers {
		// Without the Memory's mutex: a worker asks for tasks with its own held.
		if len(w.Cancel([]Cancellation{{ID: id, Run: r.run, By: o.By, Reason: o.Reason}})) > 0 {
			return nil
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live[id] == r {
		r.leave()
		r.end(o.outcome())
	}
	return nil
}

// Cancel stores the event. It returns the run if a worker may have it, and the
// workers to ask.
func (m *Memory) cancel(id string, o CancelOptions) (*memoryRun, []*Worker, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.live[id]
	if r == nil || (o.Run != "" && o.Run != r.run) {
		return nil, nil, m.past.ending(id, o.Run)
	}
	if r.cancelled == nil {
		r.cancelled = &o
		r.record(Event{State: Cancelled, Outcome: o.outcome()})
	}
	if r.lease != nil {
		return r, slices.Collect(maps.Keys(m.workers)), nil
	}
	r.leave()
	r.end(o.outcome())
	return nil, nil, nil
}

func (o CancelOptions) outcome() Outcome {
	return Outcome{State: Cancelled, By: o.By, Note: o.Reason}
}

// Leave takes the run out of its queue.
func (r *memoryRun) leave() {
	if r.waits != nil {
		r.queue.waiting.Remove(r.waits)
		r.waits = nil
	}
}

// Ending says why a run that does not live cannot be cancelled; nil when it was
// cancelled. An empty run means the last one.
func (p *memoryPast) ending(id, run string) error {
	events := p.events[id]
	if run == "" && len(events) > 0 {
		run = events[len(events)-1].Run
	}
	end := slices.IndexFunc(events, func(e Event) bool { return e.Run == run && e.State.Terminal() })
	switch {
	case end < 0:
		return ErrNotFound
	case events[end].State == Cancelled:
		return nil
	default:
		return &EndedError{ID: id, Run: run, State: events[end].State}
	}
}
