package tasks

import (
	"fmt"
	"time"

	"github.com/rs/zerolog"
)

// Settle lets be stored what became of an attempt, and returns at once. The lease
// is kept meanwhile.
func (w *Worker) settle(a *attempt, o Outcome) {
	o.Worker, o.Ended = w.options.Name, time.Now()
	if a.called {
		o.Started = a.started
	}
	if o.State == Succeeded {
		a.Lease.Succeed(a.base, &o, func(err error) { w.stored(a, &o, err) })
		return
	}
	go func() { w.stored(a, &o, a.Lease.Settle(a.base, o)) }()
}

// Stored counts and logs what was settled.
func (w *Worker) stored(a *attempt, o *Outcome, err error) {
	defer w.release(a)
	if err != nil {
		w.options.Log.Error().Str("task", a.ID).Str("type", a.Type).Int("attempt", a.Attempt).
			Str("outcome", string(o.State)).Err(err).Msg("not settled")
		return
	}
	w.metrics.settled(a, o)
	w.logSettled(a, o)
}

func (w *Worker) logSettled(a *attempt, o *Outcome) {
	word, level := outcomeWord(o.State)
	line := w.options.Log.WithLevel(level)
	if !line.Enabled() {
		return
	}
	line.Str("task", a.ID).Str("type", a.Type).Str("priority", string(a.Priority)).
		Int("attempt", a.Attempt)
	if !o.Started.IsZero() {
		line.Dur("took", o.Ended.Sub(o.Started))
	}
	if o.Error != "" {
		line.Str("err", o.Error)
	}
	if o.Reason != "" {
		line.Str("reason", string(o.Reason))
	}
	line.Msg(word)
}

func outcomeWord(s State) (string, zerolog.Level) {
	switch s {
	case Succeeded:
		return "done", zerolog.InfoLevel
	case Retrying:
		return "retried", zerolog.WarnLevel
	case Dead:
		return "buried", zerolog.ErrorLevel
	case Scheduled:
		return "snoozed", zerolog.InfoLevel
	case Parked:
		return "parked", zerolog.WarnLevel
	default:
		return string(s), zerolog.InfoLevel
	}
}

// Lost gives up an attempt whose lease is gone: whoever has it now settles it.
func (w *Worker) lost(a *attempt) {
	defer w.release(a)
	w.metrics.lost(a)
	w.options.Log.Warn().Str("task", a.ID).Str("type", a.Type).Int("attempt", a.Attempt).Msg("lease lost")
}

// BuryLost is the outcome of a task that took its worker with it too often.
func (w *Worker) buryLost(a *attempt) Outcome {
	return Outcome{
		State: Dead, Reason: ReasonLeaseLost,
		Error: fmt.Sprintf("%d leases were lost: the process died or hung each time", a.Lost),
	}
}

// HandBack returns an attempt that was not started to its queue.
func (w *Worker) handBack(a *attempt) { w.endUnstarted(a, Outcome{State: Returned}) }

// EndUnstarted settles an attempt that never had a slot.
func (w *Worker) endUnstarted(a *attempt, o Outcome) {
	if !a.taken.CompareAndSwap(false, true) {
		return
	}
	w.mu.Lock()
	w.settling++
	lost := a.lost
	w.mu.Unlock()
	w.conclude(a, o, !lost)
}
