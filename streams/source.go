package streams

import (
	"cmp"
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"sparkle/tasks"
)

// SourceOptions configures a [Source].
type SourceOptions struct {
	// Topology makes the consumer of a pool that has none yet, with its ack
	// wait; it must be the one that Ensure was called with.
	Topology Topology
	// Packing says how results are written.
	Packing Packing
	// Log gets what no caller could be told. The zero logger is silent.
	Log zerolog.Logger
}

// A Source leases the tasks of JetStream to a [tasks.Worker].
type Source struct {
	*Client
	options SourceOptions
	pulls   atomic.Int64 // when a pull was last answered, unix nanoseconds
	fault   func(step string) error
}

// NewSource returns a source over c.
func NewSource(c *Client, o SourceOptions) *Source {
	return &Source{Client: c.telling(o.Log), options: o}
}

// Open implements [tasks.Source]. It waits for a server that is restarting, at
// most for half a minute.
func (s *Source) Open(ctx context.Context, q tasks.Queue, deliver func(*tasks.Delivery)) (tasks.Tap, error) {
	asking, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	var last error
	err := s.retry(asking, func() error {
		// What was asked of a server that went away is never answered.
		once, cancel := context.WithTimeout(asking, 2*pubAckWait)
		defer cancel()
		last = s.ensure(once, q)
		return last
	})
	if err != nil {
		return nil, cmp.Or(last, err)
	}
	return s.tap(ctx, q, deliver)
}

// StartPatience is how long a worker that starts asks a server for what it needs.
const startPatience = 30 * time.Second

// Ensure makes the consumer of a queue that has none, paused if it is to be.
func (s *Source) ensure(ctx context.Context, q tasks.Queue) error {
	pauses, err := s.Pauses(ctx)
	if err != nil {
		return err
	}
	return s.ensureQueue(ctx, s.options.Topology, q, pauses)
}

// Receive turns a message into a delivery. What was delivered or tried before
// is looked up first, and away from the tap's own goroutine.
func (t *tap) receive(m *nats.Msg) {
	l, err := t.source.lease(m)
	if err != nil {
		t.source.options.Log.Error().Err(err).Msg("message without metadata")
		return
	}
	if l.known() {
		t.deliver(l.delivery())
		return
	}
	t.looking.Go(func() {
		if d := t.source.look(t.ctx, l); d != nil {
			t.deliver(d)
		}
	})
}

// Lease reads the message that a pull brought.
func (s *Source) lease(m *nats.Msg) (*lease, error) {
	meta, err := m.Metadata()
	if err != nil {
		return nil, err
	}
	l := &lease{source: s, reply: m.Reply, header: m.Header}
	l.sequence, l.number, l.ready = meta.Sequence.Stream, int(meta.NumDelivered), meta.Timestamp
	l.envelope, l.malformed = s.ns.open(stored{subject: m.Subject, sequence: l.sequence, header: m.Header, data: m.Data})
	return l, nil
}

// Known reports that nothing can be known of the run but what the message says:
// its first delivery, its first attempt, and a run that cannot stand in the
// stream twice. A replayed one can: two who replay the same letter give it the
// same run.
func (l *lease) known() bool {
	if l.malformed != nil || l.number > 1 || l.attempt > 1 || l.lineage.Replayed != "" {
		return false
	}
	run := header(l.header, HeaderRun)
	return run == "" || run == l.ID ||
		header(l.header, jetstream.ExpectedLastSubjSeqHeader) != "" || header(l.header, jetstream.SchedulerHeader) != ""
}

// Look decides by what is stored whether a delivery is still to be run. It
// returns nil when it is not, or when the server could not be asked; the task
// then comes again.
func (s *Source) look(ctx context.Context, l *lease) *tasks.Delivery {
	if l.malformed != nil {
		s.buryMalformed(ctx, l)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.options.Topology.withDefaults().AckWait)
	defer cancel()
	var course course
	var event Event
	err := s.retry(ctx, func() (err error) {
		course, event, err = s.judge(ctx, l.claim)
		if err == nil && course == runIt && l.number > tasks.SuspectAfter {
			l.alone, err = s.lostAlone(ctx, l.claim)
		}
		return err
	})
	switch {
	case err != nil:
	case course == dropIt:
		err = l.ack()
	case course == finishIt:
		if err = s.finish(ctx, l.claim, event); err == nil {
			err = l.ack()
		}
	default:
		if event.Sequence == l.sequence {
			l.returned = event.Returned
		}
		return l.delivery()
	}
	if err != nil {
		s.options.Log.Warn().Str("task", l.ID).Str("type", l.Type).Err(err).Msg("delivery not looked into")
	}
	return nil
}

// MalformedType is the type of letters whose subject named no task.
const malformedType = "malformed"

// LostAlone counts the deliveries of a message that were told to run as a suspect
// does, and that ended without a word.
func (s *Source) lostAlone(ctx context.Context, l claim) (int, error) {
	events, err := s.events(ctx, s.ns.Event(l.Type, l.ID))
	if err != nil {
		return 0, err
	}
	alone := map[int]bool{}
	for _, e := range events {
		if e.Run == l.run && e.Sequence == l.sequence && e.Delivery < l.number && e.Lost >= tasks.SuspectAfter {
			alone[e.Delivery] = e.State == tasks.Running
		}
	}
	n := 0
	for _, lost := range alone {
		if lost {
			n++
		}
	}
	return n, nil
}

// BuryMalformed keeps what was published on a subject that names no task, where
// people look for what failed.
func (s *Source) buryMalformed(ctx context.Context, l *lease) {
	l.Type, l.ID = malformedType, "s"+strconv.FormatUint(l.sequence, 10)
	l.run = l.ID
	if !tasks.ValidName(l.Pool) {
		l.Pool = tasks.MainPool
	}
	err := l.Settle(ctx, tasks.Outcome{
		State: tasks.Dead, Reason: tasks.ReasonPayload, Error: l.malformed.Error(), Ended: time.Now(),
	})
	if err != nil {
		s.options.Log.Warn().Err(err).Msg("malformed subject not buried")
	}
}

// LastPull returns when the server last answered a pull of this source; zero
// when it never did.
func (s *Source) LastPull() time.Time {
	if at := s.pulls.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}
