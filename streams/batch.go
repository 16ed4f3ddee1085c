package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"sparkle/tasks"
)

// MaxBatch is how many tasks a batch has at most: the server's limit.
const MaxBatch = 1_000

// A BatchError says for which task a batch was refused. None of the batch is
// stored then.
type BatchError struct {
	Index int    // of the task in the batch, from 0
	ID    string // "" where the caller chose none
	Err   error
}

func (e *BatchError) Error() string {
	if e.ID == "" {
		return fmt.Sprintf("task %d of the batch: %v", e.Index, e.Err)
	}
	return fmt.Sprintf("task %d of the batch (%s): %v", e.Index, e.ID, e.Err)
}

// Unwrap lets errors.Is and errors.As see why.
func (e *BatchError) Unwrap() error { return e.Err }

// PublishBatch stores 1 to [MaxBatch] tasks, all of them or none, and returns
// when the server has them. Tasks to be run at once and at a later time may stand
// in one batch. The receipts are in the order of batch.
//
// It answers a [*BatchError] for the first task that cannot run or whose chosen
// id is not free ([ErrWaiting], or the same id twice in the batch), [ErrFull]
// when a queue has no room for all of its tasks, and [ErrUnreachable] when
// nothing was heard for Patience. A batch whose answer was lost is read back and
// repeated, and never stored twice.
func (p *Publisher) PublishBatch(ctx context.Context, batch []tasks.Task) ([]Receipt, error) {
	if len(batch) == 0 || len(batch) > MaxBatch {
		return nil, fmt.Errorf("publish a batch: %d tasks, want 1 to %d", len(batch), MaxBatch)
	}
	items, shares, err := p.prepareBatch(ctx, batch)
	if err != nil {
		return nil, fmt.Errorf("publish a batch: %w", err)
	}
	if err := p.depths.checkAll(ctx, p.Client, shares, p.options.MaxDepth); err != nil {
		return nil, fmt.Errorf("publish a batch: %w", err)
	}
	err = p.sealBatch(ctx, items)
	var last uint64
	if err == nil {
		last, err = p.storeBatch(ctx, items)
	}
	if err != nil {
		p.depths.release(shares)
		return nil, fmt.Errorf("publish a batch: %w", err)
	}
	receipts := make([]Receipt, len(items))
	for i := range items {
		receipts[i] = items[i].receipt()
		if last > 0 { // a batch is stored in one piece
			receipts[i].Sequence = last - uint64(len(items)-1-i)
		}
	}
	return receipts, nil
}

// PrepareBatch checks the tasks and counts how many go to each queue.
func (p *Publisher) prepareBatch(ctx context.Context, batch []tasks.Task) ([]sealed, map[tasks.Queue]int, error) {
	items := make([]sealed, len(batch))
	shares := map[tasks.Queue]int{}
	taken := map[string]int{}
	for i, task := range batch {
		e, chosen, err := p.prepare(ctx, task)
		items[i] = sealed{envelope: e, tag: i, chosen: chosen}
		if err != nil {
			return nil, nil, &BatchError{Index: i, ID: task.ID, Err: err}
		}
		if other, twice := taken[e.ID]; twice {
			return nil, nil, items[i].fault(fmt.Errorf("id: task %d of the batch has it too: %w", other, ErrWaiting))
		}
		taken[e.ID] = i
		shares[tasks.Queue{Priority: e.Priority, Pool: e.Pool}]++
	}
	return items, shares, nil
}

// SealBatch builds the messages. One that is too large is found here: the server
// tells no more of it than that the batch is not complete.
func (p *Publisher) sealBatch(ctx context.Context, items []sealed) error {
	limit := min(p.nc.MaxPayload(), maxTask)
	for i := range items {
		m, err := p.seal(ctx, items[i].envelope)
		if err != nil {
			return items[i].fault(err)
		}
		if items[i].chosen {
			guard(p.ns, m, items[i].ID, 0)
		}
		if int64(m.Size()-len(m.Subject)+batchHeaders) > limit {
			return items[i].fault(errTooLarge)
		}
		items[i].message, items[i].Payload = m, nil // the message has it, or its blob
	}
	return nil
}

// BatchHeaders is what the headers of a batch add to a message at most, in bytes.
const batchHeaders = 160

func (s sealed) fault(err error) *BatchError {
	e := &BatchError{Index: s.tag, Err: err}
	if s.chosen {
		e.ID = s.ID
	}
	return e
}

// StoreBatch publishes the batch until the server has said what became of it, and
// returns the sequence of its last task; 0 when that is known by reading.
func (p *Publisher) storeBatch(ctx context.Context, items []sealed) (last uint64, err error) {
	begun := time.Now()
	if last, err = p.sendBatch(ctx, items); err == nil {
		return last, nil
	}
	hint := "all of it, if there is a task " + items[len(items)-1].ID
	left := items
	silent := !contended(err) // an answer was lost
	for _, s := range items {
		guard(p.ns, s.message, s.ID, 0)
	}
	err = p.insist(ctx, begun, hint, err, func(ctx context.Context) error {
		var err error
		if left, err = p.missing(ctx, left, silent); err != nil || len(left) == 0 {
			return err
		}
		last, err = p.sendBatch(ctx, left)
		silent = silent || err != nil && !contended(err)
		return err
	})
	if torn := len(items) - len(left); torn > 0 {
		last = 0
		if err != nil {
			err = fmt.Errorf("the server stored %d of %d tasks and then no more; those that are stored will run: %w", torn, len(items), err)
		}
	}
	return last, err
}

func (p *Publisher) sendBatch(ctx context.Context, items []sealed) (uint64, error) {
	messages := make([]*nats.Msg, len(items))
	for i := range items {
		messages[i] = items[i].message
		withHeader(messages[i])
	}
	if !p.nc.IsConnected() {
		return 0, nats.ErrDisconnected
	}
	ctx, cancel := context.WithTimeout(ctx, pubAckWait)
	defer cancel()
	ack, err := jetstreamext.PublishMsgBatch(ctx, p.js, messages,
		jetstreamext.BatchFlowControl{AckFirst: true, AckEvery: batchFlow, AckTimeout: pubAckWait})
	var api *jetstream.APIError
	switch {
	case err == nil:
		return ack.Sequence, nil
	case errors.As(err, &api) && (api.ErrorCode == errIncomplete || api.ErrorCode == errTooManyBatches):
		return 0, err // for now
	case permanent(err):
		return 0, backoff.Permanent(err)
	}
	return 0, err
}

const (
	batchFlow = 200 // messages of a batch, after which an answer is awaited

	errIncomplete     jetstream.ErrorCode = 10176
	errTooManyBatches jetstream.ErrorCode = 10210
)

// Missing returns which of the tasks are not stored. After a refusal that is all
// of them, and the error names the one whose id another run has. After a lost
// answer it is mostly all or none; but a server of one replica whose store fills
// up stops in the middle of a batch, without a word, and the rest is to be stored
// then. An id may also be free and taken again by now, which is no refusal where
// others are stored.
func (p *Publisher) missing(ctx context.Context, items []sealed, silent bool) ([]sealed, error) {
	var (
		left    []sealed
		refusal error
	)
	for _, s := range items {
		if !silent && !s.chosen {
			continue
		}
		_, stored, err := p.settled(ctx, s.envelope)
		var waiting *WaitingError
		switch {
		case errors.As(err, &waiting):
			refusal = backoff.Permanent(s.fault(waiting))
			if !silent {
				return items, refusal
			}
		case err != nil:
			return items, err
		case stored:
			continue
		}
		left = append(left, s)
	}
	if !silent || len(left) == len(items) {
		return items, refusal
	}
	return left, nil
}
