package streams

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// Control implements [tasks.Source]: it watches the control bucket, and answers
// the signals of those who cancel.
func (s *Source) Control(ctx context.Context, w *tasks.Worker, ready func()) error {
	sub, err := s.nc.Subscribe(s.ns.subject("workers", "cancel"), func(m *nats.Msg) { s.answerSignal(m, w) })
	if err != nil {
		return wrap("subscribe for", "cancellations", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is gone
	listening := false
	told := func() {
		listening = true
		ready()
	}
	for begun := time.Now(); ctx.Err() == nil; {
		err := s.mirror(ctx, w, told)
		if err != nil && !listening && (permanent(err) || time.Since(begun) > startPatience) {
			return err
		}
		if err != nil && ctx.Err() == nil {
			s.options.Log.Warn().Err(err).Msg("control bucket not watched")
			pause(ctx, time.Second)
		}
	}
	return nil
}

// AnswerSignal cancels, and tells who asked what the worker had.
func (s *Source) answerSignal(m *nats.Msg, w *tasks.Worker) {
	list, err := parseCancellation(m.Data)
	if err != nil {
		s.options.Log.Warn().Err(err).Msg("signal not understood")
		return
	}
	held := w.Cancel(list)
	if len(held) == 0 {
		return // another worker has it, or none
	}
	answer, err := json.Marshal(stopping{Worker: w.Stats().Name, Held: held})
	if err == nil && m.Reply != "" {
		_ = m.Respond(answer) // who asked is gone, or asks again
	}
}

// Mirror tells w what stands in the control bucket and what changes in it, until
// ctx is done or the connection was made anew: then some may have been missed.
func (s *Source) mirror(ctx context.Context, w *tasks.Worker, told func()) error {
	control, err := s.controlBucket(ctx)
	if err != nil {
		return err
	}
	reconnected := s.nc.StatusChanged(nats.CONNECTED)
	defer s.nc.RemoveStatusListener(reconnected)
	watcher, err := control.WatchFiltered(ctx, []string{controlKey(cancelKind, ">"), controlKey(pauseKind, ">")})
	if err != nil {
		return wrap("watch", "the control bucket", err)
	}
	defer func() { _ = watcher.Stop() }() // fails only when the connection is gone
	paused := map[string]Pause{}
	standing := true
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-reconnected:
			return nil
		case entry, ok := <-watcher.Updates():
			switch {
			case !ok:
				return errors.New("the watch of the control bucket has ended")
			case entry == nil:
				standing = false
				w.PauseTypes(pausedTypes(paused))
				told()
			case strings.HasPrefix(entry.Key(), cancelKind+"."):
				s.heed(entry, w)
			default:
				notePause(paused, entry)
				if !standing {
					w.PauseTypes(pausedTypes(paused))
				}
			}
		}
	}
}

func (s *Source) heed(entry jetstream.KeyValueEntry, w *tasks.Worker) {
	if entry.Operation() != jetstream.KeyValuePut {
		return
	}
	list, err := parseCancellation(entry.Value())
	if err != nil {
		s.options.Log.Warn().Str("key", entry.Key()).Err(err).Msg("entry not understood")
		return
	}
	w.Cancel(list)
}
