package tasks

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strings"
	"time"
)

// Replace settles the attempts of stuck handlers without them and gives their
// slots to the next tasks. The handlers' goroutines go on; nothing can end them.
func (w *Worker) replace(stuck []*attempt, now time.Time) {
	if len(stuck) == 0 {
		return
	}
	goroutines := goroutineStacks()
	for _, a := range stuck {
		if !a.taken.CompareAndSwap(false, true) {
			continue
		}
		w.mu.Lock()
		cause, after := context.Cause(a.ctx), now.Sub(a.cancelled)
		w.mu.Unlock()
		err := &StuckError{Cause: cause, After: after, Stack: handlerStack(goroutines, a.ID)}
		w.metrics.stuck.Inc()
		w.options.Log.Error().Str("task", a.ID).Str("type", a.Type).Int("attempt", a.Attempt).
			Err(err).Str("stack", err.Stack).Msg("stuck")
		w.countStuck()
		w.freeSlot(a)
		o, settle := a.decide(w.types[a.Type].Retry, nil, err, cause)
		go w.conclude(a, o, settle)
	}
}

// CountStuck ends the worker when more handlers are stuck than MaxStuck.
func (w *Worker) countStuck() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stuck++
	if w.stuck <= w.options.MaxStuck || w.stopping {
		return
	}
	select {
	case w.spent <- fmt.Errorf("%d handlers ignore their cancelled contexts, more than %d: the process must be started anew", w.stuck, w.options.MaxStuck):
	default:
	}
}

// Unstuck counts a handler that has returned after all.
func (w *Worker) unstuck() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stuck--
}

// GoroutineStacks returns the stacks of all goroutines with their labels.
func goroutineStacks() []string {
	var dump bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&dump, 1); err != nil {
		return nil
	}
	return strings.Split(dump.String(), "\n\n")
}

// HandlerStack returns where the handler of a task stands, and after it the
// goroutines that it started: the labels of [attempt.call] tell them from the
// others.
func handlerStack(goroutines []string, id string) string {
	label := fmt.Sprintf("%q:%q", "task_id", id)
	own, started := "", ""
	for _, stack := range goroutines {
		switch {
		case !strings.Contains(stack, label):
		case strings.Contains(stack, ".(*attempt).call+"):
			own += stack + "\n"
		default:
			started += stack + "\n"
		}
	}
	return bounded(own+started, maxStackText)
}
