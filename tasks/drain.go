package tasks

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Drain ends the work in order: no more tasks come, those not started go back,
// the running ones get Grace and then their cancellation, and every outcome is
// stored.
func (w *Worker) drain(ctx context.Context) {
	begun := time.Now()
	_ = w.rest(ctx) // has no error
	if !w.await(w.options.Grace-time.Since(begun), w.idle) {
		w.cancelRunning()
		if !w.await(w.options.Stuck, w.idle) {
			w.abandonRunning()
		}
	}
	w.await(w.options.AckWait, w.settled)
}

// StopTaking starts no more tasks and drains the taps. What was handed back
// before would come again.
func (w *Worker) stopTaking(ctx context.Context) {
	w.mu.Lock()
	w.stopping = true
	w.mu.Unlock()
	var draining sync.WaitGroup
	defer draining.Wait()
	for _, f := range w.flows {
		if f.tap != nil {
			draining.Go(func() { w.drainTap(ctx, f) })
		}
	}
}

// DrainWait is the least time that a tap gets to end its flow: what it has not
// handed over by then is a lost lease.
const drainWait = 4 * time.Second

func (w *Worker) drainTap(ctx context.Context, f *flow) {
	ctx, cancel := context.WithTimeout(ctx, max(w.options.AckWait/3, drainWait))
	defer cancel()
	if err := f.tap.Drain(ctx); err != nil {
		w.options.Log.Warn().Stringer("queue", f.queue).Err(err).Msg("drain cut short")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	f.tap = nil
}

// Unstarted takes the attempts that wait out of the worker.
func (w *Worker) unstarted() []*attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drained = true
	var unstarted []*attempt
	for _, f := range w.flows {
		unstarted = append(unstarted, f.ready...)
		f.ready = nil
	}
	if a := w.alone; a != nil {
		if _, runs := w.running[a]; !runs {
			unstarted = append(unstarted, a)
			w.alone = nil
		}
	}
	return unstarted
}

func (w *Worker) idle() bool    { return len(w.running) == 0 }
func (w *Worker) settled() bool { return len(w.held) == 0 }

// Await waits until done says so, at most for limit.
func (w *Worker) await(limit time.Duration, done func() bool) bool {
	deadline := time.NewTimer(max(limit, 0))
	defer deadline.Stop()
	for {
		w.mu.Lock()
		ok := done()
		w.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-w.changed:
		case <-deadline.C:
			return false
		}
	}
}

func (w *Worker) cancelRunning() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for a := range w.running {
		a.cancel(ErrShutdown)
		if a.cancelled.IsZero() {
			a.cancelled = time.Now()
		}
	}
}

// AbandonRunning hands back what ignores its cancellation, so that another
// worker runs it; the process is about to end.
func (w *Worker) abandonRunning() {
	w.mu.Lock()
	stuck := slices.Collect(maps.Keys(w.running))
	w.mu.Unlock()
	w.replace(stuck, time.Now())
}
