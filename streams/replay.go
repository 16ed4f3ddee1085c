package streams

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"sparkle/tasks"
)

// ErrNoLetter says that a dead letter is gone: replayed, removed, or too old.
var ErrNoLetter = errors.New("no such dead letter")

// ReplayOptions configures a [Replayer].
type ReplayOptions struct {
	// Edits change each payload, in this order.
	Edits []Edit
	// Expires is when the new run is no longer started. Default never: the
	// letter's own expiry is dropped, since it has mostly passed.
	Expires time.Time
	// By is who replays, for the new run's lineage; at most 128 bytes without
	// control characters. Default nobody.
	By string
	// Rate bounds how many letters [Replayer.ReplayAll] tries in a second.
	// Default 0: as many as the server takes.
	Rate float64
	// Concurrency is how many letters ReplayAll has in work at a time. Default
	// 16; at most 256.
	Concurrency int
}

const maxBy = 128 // bytes of ReplayOptions.By

// Check reports an option that cannot be, as an [*tasks.InvalidError]. Replay and
// ReplayAll answer it too.
func (o ReplayOptions) Check() error {
	if len(o.By) > maxBy || strings.ContainsFunc(o.By, unicode.IsControl) {
		return &tasks.InvalidError{Field: "by", Want: fmt.Sprintf("want at most %d bytes without control characters", maxBy)}
	}
	if o.Rate < 0 {
		return &tasks.InvalidError{Field: "rate", Want: "want a number of letters in a second, or 0"}
	}
	return nil
}

// A Replayer publishes dead letters again, each as a new run. It is safe for
// concurrent use, and any number may work on the same letters.
type Replayer struct {
	publisher *Publisher
	options   ReplayOptions
	fault     func(step string) error
}

// NewReplayer returns a replayer that stores through p: with its patience, its
// limit of depth, and its registry, which checks the payloads of the types that
// it knows unless p is unchecked.
func NewReplayer(p *Publisher, o ReplayOptions) *Replayer {
	o.Concurrency = min(max(cmp.Or(o.Concurrency, 16), 1), 256)
	return &Replayer{publisher: p, options: o}
}

// Replay starts a new run with what the letter has: payload, headers, user, type,
// pool, priority, attempts and timeout; it is due at once and has no expiry but
// that of the options. Then the letter is deleted.
//
// The new run follows from the letter, so that a letter is replayed once, however
// often Replay is called and wherever it died before: the repeat finds the run in
// TASKS or among the events of its id, and deletes the letter that was left. That
// holds for as long as events are kept. Edits of a repeat come too late.
//
// It answers [ErrNoLetter], [ErrWaiting] while another run of the id has not
// ended, an [*tasks.InvalidError] where the payload does not fit, and else what
// [Publisher.Publish] answers. The letter stays in each of these cases.
func (r *Replayer) Replay(ctx context.Context, d DeadLetter) (Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*r.publisher.options.Patience)
	defer cancel()
	receipt, err := r.replay(ctx, d)
	return receipt, wrap("replay", d.ID, err)
}

func (r *Replayer) replay(ctx context.Context, d DeadLetter) (Receipt, error) {
	if err := r.options.Check(); err != nil {
		return Receipt{}, err
	}
	letter, err := r.publisher.letter(ctx, d)
	if err != nil {
		return Receipt{}, err
	}
	e, err := r.revive(ctx, letter)
	if err != nil {
		return Receipt{}, err
	}
	receipt := Receipt{ID: e.ID, Run: e.run, Type: e.Type, Priority: e.Priority, Pool: e.Pool}
	if receipt.Sequence, err = r.publishAfter(ctx, e); err != nil {
		return receipt, err
	}
	if err := r.step("delete"); err != nil {
		return receipt, err
	}
	if _, err := r.publisher.remove(ctx, "DEAD", letter.sequence); err != nil {
		return receipt, fmt.Errorf("run %s is stored and its letter still there, replay it again: %w", e.run, err)
	}
	return receipt, nil
}

// Letter reads a dead letter again, as the leader has it: what decides is what is
// stored now.
func (c *Client) letter(ctx context.Context, d DeadLetter) (stored, error) {
	s, err := c.leaderAt(ctx, "DEAD", d.Sequence)
	if errors.Is(err, errNoMessage) {
		return stored{}, fmt.Errorf("letter %d: %w", d.Sequence, ErrNoLetter)
	}
	if err != nil {
		return stored{}, err
	}
	if found := c.parseDead(s); found.ID != d.ID || found.Run != d.Run {
		return stored{}, fmt.Errorf("letter %d is another's now: %w", d.Sequence, ErrNoLetter)
	}
	return s, nil
}

// Revive makes the new run of a letter. Here, and nowhere else, the payload of
// the old run becomes that of the new one.
func (r *Replayer) revive(ctx context.Context, s stored) (envelope, error) {
	e, err := r.publisher.ns.open(s)
	if err != nil {
		return envelope{}, err
	}
	if e.Type == malformedType && !r.publisher.options.Unchecked {
		return envelope{}, &tasks.InvalidError{Field: "type", Want: "the task's subject named none; publish the payload with its type"}
	}
	if e.body != nil {
		if e.Payload, err = r.publisher.loadPayload(ctx, e.body); err != nil {
			return envelope{}, err
		}
		e.body = nil
	}
	e.lineage = Lineage{Replayed: e.run, ReplayedBy: r.options.By}
	e.run = successor(s, e)
	e.attempt, e.parked, e.At, e.Expires = 1, "", time.Time{}, r.options.Expires
	if e.Payload, err = applyEdits(e.Payload, r.options.Edits); err != nil {
		return envelope{}, err
	}
	return e, r.check(e.Task)
}

// Preview returns the payload with which d would be replayed, or why it would be
// refused. Whether the id is taken is not looked at.
func (r *Replayer) Preview(ctx context.Context, d DeadLetter) (json.RawMessage, error) {
	if d.Body != nil {
		payload, err := r.publisher.loadPayload(ctx, d.Body)
		if err != nil {
			return nil, err
		}
		d.setPayload(payload)
	}
	payload := d.Payload
	if len(d.Raw) > 0 {
		payload = d.Raw
	}
	payload, err := applyEdits(payload, r.options.Edits)
	if err != nil {
		return nil, err
	}
	return payload, r.check(tasks.Task{Type: d.Type, Payload: payload})
}

// Check checks the payload alone: everything else has been delivered once.
func (r *Replayer) check(t tasks.Task) error {
	o := r.publisher.options
	if _, known := o.Registry.Lookup(t.Type); known && !o.Unchecked {
		return o.Registry.Check(t)
	}
	return tasks.CheckJSON(t.Payload)
}

// Successor names the run that the replay of a letter starts.
func successor(letter stored, e envelope) string {
	identity := fmt.Sprintf("%s %s %d %d %d", e.ID, e.run, e.attempt, letter.sequence, letter.time.UnixNano())
	sum := sha256.Sum256([]byte(identity))
	return base32.StdEncoding.EncodeToString(sum[:])[:22]
}

// PublishAfter publishes when the run that died has left its id: the letter is
// stored a moment before the acknowledgement that removes the task.
func (r *Replayer) publishAfter(ctx context.Context, e envelope) (uint64, error) {
	for deadline := time.Now().Add(leaving); ; pause(ctx, leaving/100) {
		sequence, err := r.publish(ctx, e)
		var waiting *WaitingError
		if !errors.As(err, &waiting) || waiting.Run != e.lineage.Replayed || time.Now().After(deadline) || ctx.Err() != nil {
			return sequence, err
		}
	}
}

// Leaving is how long a replay waits for the acknowledgement of the task that
// died. One that was lost comes with the next delivery; its letter is not waited
// for, but told as waiting.
const leaving = 2 * time.Second

// Publish stores the run unless an earlier replay has.
func (r *Replayer) publish(ctx context.Context, e envelope) (uint64, error) {
	p := r.publisher
	if sequence, done, err := p.settled(ctx, e); done || err != nil {
		return sequence, err
	}
	if err := p.depths.check(ctx, p.Client, tasks.Queue{Priority: e.Priority, Pool: e.Pool}, p.options.MaxDepth); err != nil {
		return 0, err
	}
	m, err := p.seal(ctx, e)
	if err != nil {
		return 0, err
	}
	if err := r.step("publish"); err != nil {
		return 0, err
	}
	guard(p.ns, m, e.ID, 0)
	return p.store(ctx, &e, m)
}

// Step is where tests let a replay die.
func (r *Replayer) step(name string) error {
	if r.fault == nil {
		return nil
	}
	return r.fault(name)
}
