package tasks

import (
	"context"
	"errors"
)

// MaxSlots is the most slots that a worker can have.
const MaxSlots = 10_000

// Scale gives the worker n slots, 1 to [MaxSlots], and returns how many it had.
// With fewer than run, the running tasks go on and their slots are not given
// again. It is safe for concurrent use.
func (w *Worker) Scale(n int) (before int, err error) {
	if n < 1 || n > MaxSlots {
		return 0, invalid("slots", "%d is not within 1 to %d", n, MaxSlots)
	}
	w.mu.Lock()
	before, w.slots = w.slots, n
	w.mu.Unlock()
	w.dispatch()
	return before, nil
}

// ErrNotRunning says that a worker does not run.
var ErrNotRunning = errors.New("worker is not running")

// Drain takes the worker out of service: it takes no more tasks and hands back
// those that were not started. Running ones end, and Run goes on until its own
// context is done. Drain returns when no more tasks come; draining twice is no
// error. It is safe for concurrent use.
func (w *Worker) Drain(ctx context.Context) error { return w.order(ctx, w.rest) }

// Resume lets a drained worker take tasks again. Resuming one that works is no
// error.
func (w *Worker) Resume(ctx context.Context) error { return w.order(ctx, w.wake) }

// An order is done by Run's own goroutine, whose context the taps need.
type order struct {
	do   func(context.Context) error
	done chan error // has room for the answer
}

func (w *Worker) order(ctx context.Context, do func(context.Context) error) error {
	o := order{do, make(chan error, 1)}
	select {
	case w.orders <- o:
	case <-w.ended:
		return ErrNotRunning
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-o.done:
		return err
	case <-w.ended:
		return ErrNotRunning
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Obey does what is ordered until ctx is done, or until too many handlers are
// stuck, which is the error.
func (w *Worker) obey(ctx, background context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-w.spent:
			return err
		case o := <-w.orders:
			o.done <- o.do(background)
		}
	}
}

// Rest stops taking tasks and hands back those not started.
func (w *Worker) rest(ctx context.Context) error {
	w.stopTaking(ctx)
	for _, a := range w.unstarted() {
		go w.handBack(a)
	}
	return nil
}

// Wake opens the taps again.
func (w *Worker) wake(ctx context.Context) error {
	w.mu.Lock()
	rests := w.stopping
	w.mu.Unlock()
	if !rests {
		return nil
	}
	if err := w.open(ctx); err != nil {
		return err
	}
	w.mu.Lock()
	w.stopping, w.drained = false, false
	w.mu.Unlock()
	w.dispatch()
	return nil
}
