package tasks

import (
	"context"
	"time"
)

// Accept takes a delivery into its flow.
func (w *Worker) accept(base context.Context, f *flow, d *Delivery) {
	now := time.Now()
	a := &attempt{Delivery: d, worker: w, flow: f, base: base, extended: now, confirmed: now}
	ctx, cancel := context.WithCancelCause(base)
	a.ctx, a.cancel = context.WithValue(ctx, deliveryKey{}, a), cancel
	w.mu.Lock()
	w.held[a] = struct{}{}
	drained := w.drained
	a.cancellation = w.cancelled.of(d)
	switch {
	case a.cancellation != nil:
		w.cancelled.met(Stopped{ID: d.ID, Run: d.Run})
	case !drained:
		f.push(a)
	}
	w.mu.Unlock()
	switch {
	case a.cancellation != nil:
		go w.endUnstarted(a, Outcome{State: Cancelled})
		return
	case drained:
		go w.handBack(a)
		return
	}
	w.dispatch()
}

// Dispatch starts what the free slots can take, then lets more come.
func (w *Worker) dispatch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopping {
		return
	}
	for a := w.next(); a != nil; a = w.next() {
		w.running[a] = struct{}{}
		a.started = time.Now()
		go w.run(a)
	}
	w.ask()
}

// Next returns the attempt that the next free slot starts, nil when there is
// none. A suspect waits until all slots are empty and then has them all.
func (w *Worker) next() *attempt {
	if w.alone != nil {
		if _, runs := w.running[w.alone]; runs || len(w.running) > 0 {
			return nil
		}
		return w.alone
	}
	if len(w.running) >= w.slots || w.settling >= maxSettling {
		return nil
	}
	a := w.pick()
	if a == nil || !a.suspect() {
		return a
	}
	if w.alone = a; len(w.running) > 0 {
		return nil
	}
	return a
}

// Pick takes the next attempt by the wheel, pools in turn.
func (w *Worker) pick() *attempt {
	priority, ok := w.wheel.turn(func(p Priority) bool { return w.readyFlow(p) >= 0 })
	if !ok {
		return nil
	}
	i := w.readyFlow(priority)
	f := w.flows[i]
	// Behind the other pools of its priority for the next turn.
	for i+1 < len(w.flows) && w.flows[i+1].queue.Priority == priority {
		w.flows[i], w.flows[i+1] = w.flows[i+1], w.flows[i]
		i++
	}
	return f.pop()
}

func (w *Worker) readyFlow(p Priority) int {
	for i, f := range w.flows {
		if f.queue.Priority == p && len(f.ready) > 0 {
			return i
		}
	}
	return -1
}

// Ask lets more tasks come to each flow: its prefetch and its share of the free
// slots, so that an idle worker takes a burst at once.
func (w *Worker) ask() {
	now := time.Now()
	free := max(w.slots-len(w.running), 0)
	if w.alone != nil || w.settling >= maxSettling {
		return
	}
	total := 0
	for _, f := range w.flows {
		total += w.options.Weights.of(f.queue.Priority)
	}
	for _, f := range w.flows {
		share := (free*w.options.Weights.of(f.queue.Priority) + total - 1) / total
		f.ask(w.slots, share, now)
	}
}

// Run takes an attempt from its start to its settled end.
func (w *Worker) run(a *attempt) {
	var o Outcome
	settle, returned := false, false
	// Deferred, for a handler that ends its goroutine must not keep the slot.
	defer func() {
		if !a.taken.CompareAndSwap(false, true) {
			w.unstuck() // settled without us
			return
		}
		w.freeSlot(a)
		if !returned {
			o, settle = a.decide(w.types[a.Type].Retry, nil, errGoexit, context.Cause(a.ctx))
		}
		w.conclude(a, o, settle)
	}()
	if a.suspect() {
		a.testify()
	}
	o, settle = a.execute(a.ctx)
	returned = true
}

// Conclude settles an attempt that has left its slot.
func (w *Worker) conclude(a *attempt, o Outcome, settle bool) {
	a.report.close()
	if settle {
		w.settle(a, w.revise(a, o))
	} else {
		w.lost(a)
	}
	a.cancel(nil)
}

// Began remembers the context that the handler got, whose cause the keeper reads.
func (w *Worker) began(ctx context.Context, a *attempt) {
	w.metrics.started(a)
	w.mu.Lock()
	defer w.mu.Unlock()
	a.ctx, a.called = ctx, true
}

// FreeSlot gives the slot to the next task while a's outcome is being stored.
func (w *Worker) freeSlot(a *attempt) {
	now := time.Now()
	w.mu.Lock()
	delete(w.running, a)
	if w.alone == a {
		w.alone = nil
	}
	w.settling++
	a.flow.measured(now.Sub(a.started), now)
	w.mu.Unlock()
	w.signal()
	w.dispatch()
}

// Release forgets a settled attempt.
func (w *Worker) release(a *attempt) {
	w.mu.Lock()
	delete(w.held, a)
	w.settling--
	full := w.settling == maxSettling-1
	w.mu.Unlock()
	w.signal()
	if full {
		w.dispatch()
	}
}

func (w *Worker) signal() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}
