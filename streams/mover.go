package streams

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"sparkle/tasks"
)

// MoverOptions configures a [Mover].
type MoverOptions struct {
	// SweepEvery is how often all movers together look for tasks whose advisory
	// was lost. Default 1 min; at least 1 s.
	SweepEvery time.Duration
	// Log gets a line for each task moved. The zero logger is silent.
	Log zerolog.Logger
}

// A Mover buries the tasks that the server gave up: those whose deliveries ran
// out because every process that held them died. Any number may run; they share
// one durable consumer, and each move bears repetition.
type Mover struct {
	*Client
	options MoverOptions
}

// NewMover returns a mover over c.
func NewMover(c *Client, o MoverOptions) *Mover {
	o.SweepEvery = max(cmp.Or(o.SweepEvery, time.Minute), time.Second)
	return &Mover{Client: c.telling(o.Log), options: o}
}

// Run moves and sweeps until ctx is done; then it returns nil.
func (m *Mover) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { m.sweeps(ctx) })
	for ctx.Err() == nil {
		if err := m.follow(ctx); err != nil && ctx.Err() == nil {
			m.options.Log.Warn().Err(err).Msg("advisories not read")
		}
		pause(ctx, time.Second)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Follow handles advisories as they come, until ctx is done or the consumer
// fails.
func (m *Mover) follow(ctx context.Context) error {
	consumer, err := m.js.Consumer(ctx, m.ns.Stream("ADVISORIES"), moverConsumer().Durable)
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(64))
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	defer messages.Stop()
	for {
		message, err := messages.Next()
		if err != nil {
			return err
		}
		m.handle(ctx, message)
	}
}

func (m *Mover) handle(ctx context.Context, message jetstream.Msg) {
	var advisory struct {
		Sequence   uint64 `json:"stream_seq"`
		Deliveries int    `json:"deliveries"`
	}
	err := json.Unmarshal(message.Data(), &advisory)
	if err == nil && advisory.Sequence > 0 {
		err = m.move(ctx, advisory.Sequence, advisory.Deliveries)
	}
	if err != nil {
		m.options.Log.Warn().Err(err).Uint64("sequence", advisory.Sequence).Msg("not moved")
		_ = message.NakWithDelay(5 * time.Second) // it comes again in any case
		return
	}
	_ = message.Ack() // a lost ack costs a repetition
}

// Move buries the task of that sequence: its end as an event, its dead letter,
// then its deletion. What was settled meanwhile is only deleted.
func (m *Mover) move(ctx context.Context, sequence uint64, deliveries int) error {
	l, found, err := m.find(ctx, sequence, deliveries)
	if err != nil || !found {
		return err
	}
	return m.resolve(ctx, l)
}

// Find reads the message of that sequence, if it is still there, which the
// server has given up after so many deliveries.
func (m *Mover) find(ctx context.Context, sequence uint64, deliveries int) (claim, bool, error) {
	s, err := m.leaderAt(ctx, "TASKS", sequence)
	if errors.Is(err, errNoMessage) {
		return claim{}, false, nil
	}
	if err != nil {
		return claim{}, false, err
	}
	e, err := m.ns.open(s)
	if err != nil {
		return claim{}, false, fmt.Errorf("move message %d: %w", sequence, err)
	}
	return claim{envelope: e, sequence: sequence, number: max(deliveries, 0), gaveUp: true, ready: s.time}, true, nil
}

func (m *Mover) resolve(ctx context.Context, l claim) error {
	course, event, err := m.judge(ctx, l)
	if err != nil {
		return err
	}
	switch course {
	case runIt:
		if event.Sequence == l.sequence {
			l.returned = event.Returned
		}
		err = m.end(ctx, l)
	case finishIt:
		err = m.finish(ctx, l, event)
	case dropIt:
	}
	if err != nil {
		return err
	}
	_, err = m.remove(ctx, "TASKS", l.sequence)
	return err
}

func (m *Mover) end(ctx context.Context, l claim) error {
	o := tasks.Outcome{
		State: tasks.Dead, Reason: tasks.ReasonLeaseLost, Ended: time.Now(),
		Error: "the server gave the task up: the process died or hung at every delivery",
	}
	if err := m.append(ctx, l.event(&o)); err != nil {
		return err
	}
	m.options.Log.Error().Str("task", l.ID).Str("type", l.Type).Str("priority", string(l.Priority)).
		Int("attempt", l.attempt).Str("reason", string(o.Reason)).Msg("buried")
	return m.bury(ctx, l, o)
}
