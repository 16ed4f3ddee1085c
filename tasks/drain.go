package tasks

import (
	"context"
	"sync"
	"time"
)

// Drain ends the work in order: no more tasks come, those not started go back,
// the running ones get Grace and then their cancellation, and every outcome is
// stored.
func (w *Worker) drain(ctx context.Context) {
	unstarted := w.stopTaking()
	var returning sync.WaitGroup
	for _, f := range w.flows {
		returning.Go(func() {
			bounded, cancel := context.WithTimeout(ctx, w.options.AckWait/3)
			defer cancel()
			if err := f.tap.Drain(bounded); err != nil {
				w.options.Log.Warn().Stringer("queue", f.queue).Err(err).Msg("drain cut short")
			}
		})
	}
	for _, a := range unstarted {
		returning.Go(func() { w.handBack(a) })
	}
	returning.Wait()
	if !w.await(w.options.Grace, w.idle) {
		w.cancelRunning()
		if !w.await(w.options.Stuck, w.idle) {
			w.abandonRunning()
		}
	}
	w.await(w.options.AckWait, w.settled)
}

func (w *Worker) stopTaking() []*attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopping = true
	var unstarted []*attempt
	for _, f := range w.flows {
		unstarted = append(unstarted, f.ready...)
		f.ready = nil
	}
	if a := w.alone; a != nil {
		if _, runs := w.running[a]; !runs {
			unstarted = append(unstarted, a)
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
	}
}

// AbandonRunning hands back what ignores its cancellation, so that another
// worker runs it; the process is about to end.
func (w *Worker) abandonRunning() {
	w.mu.Lock()
	stuck := make([]*attempt, 0, len(w.running))
	for a := range w.running {
		stuck = append(stuck, a)
	}
	w.mu.Unlock()
	for _, a := range stuck {
		w.options.Log.Error().Str("task", a.ID).Str("type", a.Type).Str("stack", handlerStack(a)).
			Msg("handed back while its handler ignores the shutdown")
		w.handBack(a)
	}
}
