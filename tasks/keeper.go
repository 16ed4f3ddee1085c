package tasks

import (
	"context"
	"sync"
	"time"
)

const maxExtending = 64 // extensions of leases on their way at a time

// Keep extends the leases, tells what runs, and finds handlers that are stuck,
// until ctx is done.
func (w *Worker) keep(ctx context.Context) {
	var extensions sync.WaitGroup
	defer extensions.Wait()
	slots := make(chan struct{}, maxExtending)
	ticker := time.NewTicker(min(w.options.AckWait/48, reportEvery/2))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, a := range w.dueForExtension(time.Now()) {
			extensions.Go(func() {
				// Waits here and not in the loop, which must find the lost
				// leases while a source does not answer.
				select {
				case slots <- struct{}{}:
				case <-ctx.Done():
					return
				}
				defer func() { <-slots }()
				w.extend(ctx, a)
			})
		}
		w.watch(time.Now())
		w.dispatch() // what is wanted falls with time where nothing comes
	}
}

// DueForExtension returns the attempts whose lease is a third of the ack wait
// old, and cancels those whose lease must be taken for lost. Those are extended
// no more, so that the source can deliver them to another worker.
func (w *Worker) dueForExtension(now time.Time) []*attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	var due []*attempt
	for a := range w.held {
		if !a.lost && now.Sub(a.confirmed) >= w.options.AckWait*2/3 {
			a.lost = true
			a.cancel(ErrLeaseLost)
		}
		if !a.lost && !a.extending && now.Sub(a.extended) >= w.options.AckWait/3 {
			a.extending, a.extended = true, now
			due = append(due, a)
		}
	}
	return due
}

func (w *Worker) extend(ctx context.Context, a *attempt) {
	ctx, cancel := context.WithTimeout(ctx, w.options.AckWait/6)
	defer cancel()
	asked := time.Now()
	err := a.Lease.Extend(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	a.extending = false
	if err != nil {
		a.extended = time.Time{} // try again at the next tick
		return
	}
	a.confirmed = asked
}

// Watch reports running attempts and settles those whose handler is stuck.
func (w *Worker) watch(now time.Time) {
	w.mu.Lock()
	running := make([]*attempt, 0, len(w.running))
	stuck := []*attempt(nil)
	for a := range w.running {
		if a.ctx.Err() != nil && a.cancelled.IsZero() {
			a.cancelled = now
		}
		switch {
		case !a.cancelled.IsZero() && now.Sub(a.cancelled) >= w.options.Stuck:
			stuck = append(stuck, a)
		case a.called && !a.lost:
			running = append(running, a)
		}
	}
	w.mu.Unlock()
	for _, a := range running {
		a.report.tell(now, a.started, w.options.AckWait, func(r Report) {
			r.Worker, r.Started = w.options.Name, a.started
			a.Lease.Report(r)
		})
	}
	w.replace(stuck, now)
}
