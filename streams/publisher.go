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
	// A type that it lacks is checked against what workers have announced, of
	// which the newest version gives priority and pool; one that no worker has
	// announced either is refused. Default: every type is checked so, and one
	// that nobody knows passes, with priority "default" and pool "main".
	Registry *tasks.Registry
	// Unchecked lets unknown types and payloads that break their schema pass.
	Unchecked bool
	// MaxDepth is how many tasks may wait in a queue before Publish answers
	// ErrFull. Default 1,000,000; negative means no limit. It is checked
	// against a count at most a second old.
	MaxDepth int
	// Patience is how long Publish tries to reach the server, when ctx does not
	// end before. Default 10 s; a large payload gets a second more for each MiB.
	Patience time.Duration
	// Packing says how payloads are written.
	Packing Packing
}

// Patience is how long a call tries to reach the server.
const patience = 10 * time.Second

// A Publisher publishes tasks. It is safe for concurrent use.
type Publisher struct {
	*Client
	options PublisherOptions
	depths  depths
	fleet   fleet
}

// NewPublisher returns a publisher over c.
func NewPublisher(c *Client, o PublisherOptions) *Publisher {
	o.MaxDepth = cmp.Or(o.MaxDepth, 1_000_000)
	o.Patience = cmp.Or(o.Patience, patience)
	return &Publisher{Client: c, options: o}
}

// A Receipt says where a task was stored.
type Receipt struct {
	ID       string         `json:"id"`
	Run      string         `json:"run"`
	Type     string         `json:"type"`
	Priority tasks.Priority `json:"priority"`
	Pool     string         `json:"pool"`
	// Sequence is the task's in the stream; 0 where the server did not tell it,
	// as for a task of a bulk.
	Sequence uint64 `json:"sequence,omitempty"`
}

func (e envelope) receipt() Receipt {
	return Receipt{ID: e.ID, Run: e.run, Type: e.Type, Priority: e.Priority, Pool: e.Pool}
}

// Publish stores t and returns when the server has it, on a quorum where the
// stream has replicas. A task whose At lies ahead is stored as a schedule.
//
// It answers [*tasks.InvalidError] for a task that cannot run, [ErrWaiting] when
// a task of a chosen id has not ended, [ErrFull], and [ErrUnreachable] when
// nothing was heard for Patience; it repeats a publish whose answer was lost, and
// never stores one task twice.
func (p *Publisher) Publish(ctx context.Context, t tasks.Task) (Receipt, error) {
	e, chosen, err := p.prepare(ctx, t)
	if err != nil {
		return Receipt{}, err
	}
	if err := p.depths.check(ctx, p.Client, tasks.Queue{Priority: e.Priority, Pool: e.Pool}, p.options.MaxDepth); err != nil {
		return Receipt{}, fmt.Errorf("publish %s: %w", e.Type, err)
	}
	receipt := e.receipt()
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
func (p *Publisher) prepare(ctx context.Context, t tasks.Task) (e envelope, chosen bool, err error) {
	definition, err := p.definition(ctx, &t)
	if err != nil {
		return envelope{}, false, err
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
// time lies ahead. A payload too large for it is stored as a blob first.
func (p *Publisher) seal(ctx context.Context, e envelope) (*nats.Msg, error) {
	var err error
	if e.body, err = p.packPayload(ctx, e); err != nil {
		return nil, err
	}
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
	return p.restore(ctx, begun, e, m, err)
}

// Restore goes on where an earlier try of m failed with err, or where nothing is
// known of it. A refusal is told apart like a lost answer: by reading what is
// there.
func (p *Publisher) restore(ctx context.Context, begun time.Time, e *envelope, m *nats.Msg, err error) (sequence uint64, _ error) {
	guard(p.ns, m, e.ID, 0)
	hint := "publish it again with id " + e.ID + " to find out"
	err = p.insist(ctx, begun, hint, err, func(ctx context.Context) error {
		found, done, err := p.settled(ctx, *e)
		if done || err != nil {
			sequence = found
			return err
		}
		sequence, err = p.send(ctx, m)
		return err
	})
	return sequence, err
}

// Insist repeats what failed with err until there is an answer that counts or
// Patience is over; the first time at once where nothing was tried yet, or a guard
// refused it.
func (p *Publisher) insist(ctx context.Context, begun time.Time, hint string, err error, again func(context.Context) error) error {
	ctx, cancel := context.WithDeadline(ctx, begun.Add(p.options.Patience))
	defer cancel()
	answer := serverError(err) // why the server did not store it, though it may later
	try := func() error {
		err := again(ctx)
		answer = cmp.Or(serverError(err), answer)
		return err
	}
	if err == nil || contended(err) {
		err = try()
	}
	err = persist(ctx, time.Second, err, try)
	switch {
	case err == nil || ctx.Err() == nil || errors.Is(err, ErrWaiting):
		return err
	case answer != nil:
		return fmt.Errorf("the server did not store it within %v: %w", p.options.Patience, p.explain(ctx, answer, p.ns.subject("tasks")))
	default:
		return fmt.Errorf("%w within %v; it may have been stored: %s (%w)", ErrUnreachable, p.options.Patience, hint, err)
	}
}

// ServerError returns what the server answered, nil for a refused guard.
func serverError(err error) *jetstream.APIError {
	var answer *jetstream.APIError
	if contended(err) || !errors.As(err, &answer) {
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
// run waits or has events), refused since another run has the id, or lost. It
// looks in the order in which a run moves, and through all events of the id: the
// run may have ended, and the id live again.
func (p *Publisher) settled(ctx context.Context, e envelope) (sequence uint64, done bool, err error) {
	last, err := p.leaderLast(ctx, "TASKS", p.ns.Anywhere(e.ID))
	if err != nil && !errors.Is(err, errNoMessage) {
		return 0, false, err
	}
	taken := err == nil
	found, _ := p.ns.open(last)
	if taken && found.run == e.run {
		return last.sequence, true, nil
	}
	event, err := p.lastEvent(ctx, p.ns.Event(e.Type, e.ID), e.run)
	switch {
	case err == nil:
		return event.Sequence, true, nil
	case !errors.Is(err, errNoMessage):
		return 0, false, err
	case taken:
		return 0, true, backoff.Permanent(&WaitingError{ID: e.ID, Run: found.run})
	default:
		return 0, false, nil
	}
}

// Permanent reports an answer that another try cannot change: any of the server
// but the refusal of a guard, and lack of leader or resources.
func permanent(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrBadSubject)
	}
	return !contended(err) && api.Code < 500
}
