package streams

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"github.com/oklog/ulid/v2"

	"sparkle/tasks"
)

// Reasons for which a task is not published.
var (
	// ErrWaiting says that a task of the chosen id is scheduled, waiting or
	// running. errors.As with [*WaitingError] tells which.
	ErrWaiting = tasks.ErrWaiting
	// ErrFull says that the queue has its limit of waiting tasks.
	ErrFull = tasks.ErrFull
	// ErrUnreachable says that the server gave no answer. The task may have
	// been stored; publishing it again with the same id and run finds out.
	ErrUnreachable = errors.New("no answer from NATS")
)

// A WaitingError names the run that has the id.
type WaitingError struct{ ID, Run string }

func (e *WaitingError) Error() string {
	return fmt.Sprintf("task %s (run %s): %v", e.ID, e.Run, ErrWaiting)
}

// Unwrap makes errors.Is(err, ErrWaiting) true.
func (e *WaitingError) Unwrap() error { return ErrWaiting }

// PublisherOptions configures a [Publisher].
type PublisherOptions struct {
	// Registry checks types and payloads and gives a task's priority and pool.
	// Default: only the limits of any task are checked, priority and pool are
	// "default" and "main".
	Registry *tasks.Registry
	// Unchecked lets unknown types and payloads that break their schema pass.
	Unchecked bool
	// MaxDepth is how many tasks may wait in a queue before Publish answers
	// ErrFull. Default 1,000,000; negative means no limit. It is checked
	// against a count at most a second old.
	MaxDepth int
	// Patience is how long Publish tries to reach the server, when ctx does not
	// end before. Default 10 s.
	Patience time.Duration
}

// A Publisher publishes tasks. It is safe for concurrent use.
type Publisher struct {
	*Client
	options PublisherOptions
	depths  depths
}

// NewPublisher returns a publisher over c.
func NewPublisher(c *Client, o PublisherOptions) *Publisher {
	o.MaxDepth = cmp.Or(o.MaxDepth, 1_000_000)
	o.Patience = cmp.Or(o.Patience, 10*time.Second)
	return &Publisher{Client: c, options: o}
}

// A Receipt says where a task was stored.
type Receipt struct {
	ID       string         `json:"id"`
	Run      string         `json:"run"`
	Type     string         `json:"type"`
	Priority tasks.Priority `json:"priority"`
	Pool     string         `json:"pool"`
	Sequence uint64         `json:"sequence"`
}

// Publish stores t and returns when the server has it, on a quorum where the
// stream has replicas. A task whose At lies ahead is stored as a schedule.
//
// It answers [*tasks.InvalidError] for a task that cannot run, [ErrWaiting] when
// a task of a chosen id has not ended, [ErrFull], and [ErrUnreachable] when
// nothing was heard for Patience; it repeats a publish whose answer was lost, and
// never stores one task twice.
func (p *Publisher) Publish(ctx context.Context, t tasks.Task) (Receipt, error) {
	e, chosen, err := p.prepare(t)
	if err != nil {
		return Receipt{}, err
	}
	if err := p.depths.check(ctx, p.Client, tasks.Queue{Priority: e.Priority, Pool: e.Pool}, p.options.MaxDepth); err != nil {
		return Receipt{}, fmt.Errorf("publish %s: %w", e.Type, err)
	}
	receipt := Receipt{ID: e.ID, Run: e.run, Type: e.Type, Priority: e.Priority, Pool: e.Pool}
	m, err := p.seal(ctx, e)
	if err != nil {
		return receipt, fmt.Errorf("publish %s %s: %w", e.Type, e.ID, err)
	}
	if chosen {
		guard(p.ns, m, e.ID, 0)
	}
	receipt.Sequence, err = p.store(ctx, &e, m)
	if err != nil {
		return receipt, fmt.Errorf("publish %s %s: %w", e.Type, e.ID, err)
	}
	return receipt, nil
}

// Prepare checks t and fills in what it leaves open. An id that we make is
// unique by construction and doubles as the run.
func (p *Publisher) prepare(t tasks.Task) (e envelope, chosen bool, err error) {
	check := tasks.Task.Check
	if p.options.Registry != nil && !p.options.Unchecked {
		check = p.options.Registry.Check
	}
	if err := check(t); err != nil {
		return envelope{}, false, err
	}
	definition, known := p.options.Registry.Lookup(t.Type)
	if !known {
		definition = tasks.Definition{Priority: tasks.Default, Pool: tasks.MainPool}
	}
	t.Priority = cmp.Or(t.Priority, definition.Priority)
	t.Pool = cmp.Or(t.Pool, definition.Pool)
	if len(t.Payload) == 0 {
		t.Payload = []byte("null")
	}
	if chosen = t.ID != ""; chosen {
		return envelope{Task: t, run: nuid.Next(), attempt: 1}, true, nil
	}
	t.ID = ulid.Make().String()
	return envelope{Task: t, run: t.ID, attempt: 1}, false, nil
}

// Seal builds the message of e: on its ready subject, or a schedule where its
// time lies ahead.
func (p *Publisher) seal(_ context.Context, e envelope) (*nats.Msg, error) {
	if e.At.After(time.Now()) {
		return e.schedule(p.ns, e.At), nil
	}
	return e.message(p.ns), nil
}

// Store publishes m, the sealed e, until the server has said what became of it.
func (p *Publisher) store(ctx context.Context, e *envelope, m *nats.Msg) (uint64, error) {
	begun := time.Now()
	sequence, err := p.send(ctx, m)
	if err == nil {
		return sequence, nil
	}
	ctx, cancel := context.WithDeadline(ctx, begun.Add(p.options.Patience))
	defer cancel()
	// A refusal is told apart like a lost answer: by reading what is there.
	guard(p.ns, m, e.ID, 0)
	answer := serverError(err) // why the server did not store it, though it may later
	err = persist(ctx, time.Second, err, func() error {
		found, done, err := p.settled(ctx, *e)
		if done || err != nil {
			sequence = found
			return err
		}
		sequence, err = p.send(ctx, m)
		answer = cmp.Or(serverError(err), answer)
		return err
	})
	switch {
	case err == nil || ctx.Err() == nil || errors.Is(err, ErrWaiting):
		return sequence, err
	case answer != nil:
		return 0, fmt.Errorf("the server did not store it within %v: %w", p.options.Patience, p.explain(ctx, answer, m.Subject))
	default:
		return 0, fmt.Errorf("%w within %v; it may have been stored: publish it again with id %s to find out (%w)",
			ErrUnreachable, p.options.Patience, e.ID, err)
	}
}

// ServerError returns what the server answered, nil for a refused guard.
func serverError(err error) *jetstream.APIError {
	var answer *jetstream.APIError
	if refused(err) || !errors.As(err, &answer) {
		return nil
	}
	return answer
}

func (p *Publisher) send(ctx context.Context, m *nats.Msg) (uint64, error) {
	// Nothing is left in the client's own buffer, from where it would be sent
	// after the caller was told that it was not.
	if !p.nc.IsConnected() {
		return 0, nats.ErrDisconnected
	}
	sequence, err := p.place(ctx, m)
	if err != nil && permanent(err) {
		return 0, backoff.Permanent(p.explain(ctx, err, m.Subject))
	}
	return sequence, err
}

// Settled looks for what became of an earlier try: stored by this run (the same
// run waits or has events), refused since another run has the id, or lost.
func (p *Publisher) settled(ctx context.Context, e envelope) (sequence uint64, done bool, err error) {
	last, err := p.leaderLast(ctx, "TASKS", p.ns.Anywhere(e.ID))
	if err == nil {
		found, _ := p.ns.open(last)
		if found.run == e.run {
			return last.sequence, true, nil
		}
		return 0, true, backoff.Permanent(&WaitingError{ID: e.ID, Run: found.run})
	}
	if !errors.Is(err, errNoMessage) {
		return 0, false, err
	}
	event, err := p.leaderLast(ctx, "EVENTS", p.ns.subject("events", "*", e.ID))
	if err == nil && header(event.header, HeaderRun) == e.run {
		return uint64(number(event.header, HeaderSequence)), true, nil
	}
	if err != nil && !errors.Is(err, errNoMessage) {
		return 0, false, err
	}
	return 0, false, nil
}

// Permanent reports an answer that another try cannot change: any of the server
// but the refusal of a guard, and lack of leader or resources.
func permanent(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrBadSubject)
	}
	return !refused(err) && api.Code < 500
}
