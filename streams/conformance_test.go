package streams_test

import (
	"context"
	"testing"
	"time"

	"sparkle/streams"
	"sparkle/tasks"
	"sparkle/tasks/sourcetest"
)

// The suite that the in-process source passes too; see package sourcetest. It runs
// in real time, so its cases come one after the other, with leases that a loaded
// machine can keep.
func TestSourceKeepsTheContract(t *testing.T) {
	const ackWait = 6 * time.Second
	sourcetest.Test(t, sourcetest.RealTime, func(t *testing.T) sourcetest.Bench {
		h := newHarness(t, streams.Topology{AckWait: ackWait})
		p := h.publisher(streams.PublisherOptions{})
		return sourcetest.Bench{
			Source: h.source(), AckWait: ackWait,
			Publish: func(ctx context.Context, task tasks.Task) (id, run string, err error) {
				receipt, err := p.Publish(ctx, task)
				return receipt.ID, receipt.Run, err
			},
			Events: h.contractEvents,
			Cancel: func(ctx context.Context, id string, o tasks.CancelOptions) error {
				_, err := h.Client.Cancel(ctx, id, o)
				return err
			},
			DeadLetters: h.contractLetters,
		}
	})
}

func (h *harness) contractEvents(ctx context.Context, id string) ([]tasks.Event, error) {
	stored, err := h.Client.Events(ctx, id)
	var events []tasks.Event
	for _, e := range stored {
		event := tasks.Event{
			ID: e.ID, Type: e.Type, Run: e.Run, Attempt: e.Attempt, Lost: e.Lost, State: e.State, Time: e.Time,
		}
		if e.State == tasks.Running {
			event.Report = tasks.Report{Worker: e.Worker, Started: e.Started, Fraction: e.Detail.Fraction, Note: e.Detail.Note}
		} else {
			event.Outcome = tasks.Outcome{
				State: e.State, Result: e.Result, Reason: e.Reason, Error: e.Detail.Error, Stack: e.Detail.Stack,
				By: e.By, At: e.At, Worker: e.Worker, Started: e.Started, Ended: e.Ended,
			}
			if e.State == tasks.Cancelled {
				event.Outcome.Note = e.Detail.Note
			}
		}
		events = append(events, event)
	}
	return events, err
}

func (h *harness) contractLetters(ctx context.Context) ([]tasks.DeadLetter, error) {
	var letters []tasks.DeadLetter
	err := h.Client.DeadLetters(ctx, "", func(d streams.DeadLetter) bool {
		letter := tasks.DeadLetter{
			Task: tasks.Task{ID: d.ID, Type: d.Type, Payload: d.Payload, Priority: d.Priority, Pool: d.Pool},
			Run:  d.Run, Attempt: d.Attempt, Reason: d.Reason, Error: d.Error, Time: d.Died,
		}
		for _, a := range d.Attempts {
			letter.History = append(letter.History, tasks.Event{ID: d.ID, Run: d.Run, Attempt: a.Attempt, State: a.Outcome})
		}
		letters = append(letters, letter)
		return true
	})
	return letters, err
}
