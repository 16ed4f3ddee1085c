package tasks

import (
	"context"
	"time"
)

// Accept takes a delivery into its flow. Settling is bounded by base; running is
// ended by the worker alone, so that its context has no parent to be found by.
func (w *Worker) accept(base, running context.Context, f *flow, d *Delivery) {
	now := time.Now()
	a := &attempt{Delivery: d, worker: w, flow: f, base: base, extended: now, confirmed: now}
	ctx, cancel := context.WithCancelCause(running)
	a.ctx, a.cancel = context.WithValue(ctx, deliveryKey{}, a), cancel
	w.mu.Lock()
	w.held[a] = struct{}{}
	drained := w.drained
	a.cancellation = w.cancelled.of(d)
	dropped := a.cancellation != nil
	switch {
	case dropped:
		w.cancelled.met(Stopped{ID: d.ID, Run: d.Run})
	case !drained:
		f.push(a)
		w.startAll(now)
	}
	w.mu.Unlock()
	switch {
	case dropped:
		go w.endUnstarted(a, Outcome{State: Cancelled})
	case drained:
		go w.handBack(a)
	}
}

// Dispatch starts what the free slots can take, then lets more come.
func (w *Worker) dispatch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.startAll(time.Now())
}

func (w *Worker) startAll(now time.Time) { w.goWork(w.startFirst(now)) }

func (w *Worker) goWork(a *attempt) {
	if a != nil {
		go w.work(a)
	}
}

// StartFirst gives the free slots to what waits and lets more come. The first
// attempt is the caller's to work on, each other has a goroutine of its own.
func (w *Worker) startFirst(now time.Time) (first *attempt) {
	if w.stopping {
		return nil
	}
	for a := w.next(); a != nil; a = w.next() {
		w.running[a] = struct{}{}
		a.started = now
		if first == nil {
			first = a
		} else {
			go w.work(a)
		}
	}
	w.ask(now)
	return first
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
	if len(w.running) >= w.slots || w.full() {
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
func (w *Worker) ask(now time.Time) {
	free := max(w.slots-len(w.running), 0)
	if w.alone != nil || w.full() {
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

// Work runs attempts in one slot, one after the other, as long as there are any.
func (w *Worker) work(a *attempt) {
	for a != nil {
		a = w.run(a)
	}
}

// Run takes an attempt from its start to its end, lets it be settled, and returns
// the one that has its slot now.
func (w *Worker) run(a *attempt) (next *attempt) {
	returned := false
	// A handler that ends its goroutine must not keep the slot.
	defer func() {
		if returned {
			return
		}
		if a.taken.CompareAndSwap(false, true) {
			w.goWork(w.freeSlot(a, 0))
			o, settle := a.decide(w.types[a.Type].Retry, nil, errGoexit, context.Cause(a.ctx))
			w.conclude(a, o, settle)
		} else {
			w.unstuck()
		}
	}()
	if a.suspect() {
		a.testify()
	}
	o, settle := a.execute(a.ctx)
	returned = true
	if !a.taken.CompareAndSwap(false, true) {
		w.unstuck() // settled without us, and the slot is another's
		return nil
	}
	next = w.freeSlot(a, len(o.Result))
	w.conclude(a, o, settle)
	return next
}

// Conclude lets an attempt be settled that has left its slot.
func (w *Worker) conclude(a *attempt, o Outcome, settle bool) {
	a.report.close()
	a.cancel(nil)
	if settle {
		w.settle(a, w.revise(a, o))
	} else {
		w.lost(a)
	}
}

// Began remembers the context that the handler got, whose cause the keeper reads.
func (w *Worker) began(ctx context.Context, a *attempt) {
	w.metrics.started(a)
	w.mu.Lock()
	defer w.mu.Unlock()
	a.ctx, a.called = ctx, true
}

// Full reports that no more is started since enough waits to be stored: a server
// that is slow or away must not fill the memory with results.
func (w *Worker) full() bool { return w.settling >= maxSettling || w.storing >= maxStoring }

// FreeSlot ends a's use of its slot, while its outcome, with a result of that many
// bytes, is being stored. It returns the attempt that has the slot now, nil when
// none does.
func (w *Worker) freeSlot(a *attempt, result int) (next *attempt) {
	now := time.Now()
	w.mu.Lock()
	delete(w.running, a)
	if w.alone == a {
		w.alone = nil
	}
	w.settling++
	a.result = result
	w.storing += result
	a.flow.measured(now.Sub(a.started), now)
	next = w.startFirst(now)
	w.mu.Unlock()
	w.signal()
	return next
}

// Release forgets a settled attempt.
func (w *Worker) release(a *attempt) {
	w.mu.Lock()
	delete(w.held, a)
	full := w.full()
	w.settling--
	w.storing -= a.result
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
