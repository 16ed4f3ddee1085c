package streams

import (
	"context"
	"errors"
	"fmt"

	"github.com/synadia-io/orbit.go/jetstreamext"
)

const (
	readBatch = 500
	// ReadBytes keeps a batch small beside what its messages may have, and below
	// what the client's subscription holds; of large ones fewer come.
	readBytes = 8 << 20
)

// Each calls fn for the stored messages of subject in order, until it returns
// false. It holds a batch of them at a time, and fn may take its time.
func (c *Client) each(ctx context.Context, kind, subject string, fn func(stored) bool) error {
	return c.scan(ctx, c.ns.Stream(kind), subject, fn)
}

func (c *Client) scan(ctx context.Context, stream, subject string, fn func(stored) bool) error {
	for next := uint64(1); next > 0; {
		var messages []stored
		var err error
		if messages, next, err = c.batch(ctx, stream, subject, next); err != nil {
			return err
		}
		for _, s := range messages {
			if !fn(s) {
				return nil
			}
		}
	}
	return nil
}

// Batch reads the stored messages of subject from a sequence on, some hundred at
// most, and returns where the next batch begins, 0 for nowhere. What the client's
// extension reads ends without a word when its time is over, so only a message
// that says that none follows, or the server's word that there is none, is an end.
func (c *Client) batch(ctx context.Context, stream, subject string, from uint64) (messages []stored, next uint64, err error) {
	asked, cancel := context.WithTimeout(ctx, 2*pubAckWait)
	defer cancel()
	batch, err := jetstreamext.GetBatch(asked, c.js, stream, readBatch,
		jetstreamext.GetBatchSubject(subject), jetstreamext.GetBatchSeq(from), jetstreamext.GetBatchMaxBytes(readBytes))
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", stream, err)
	}
	for m, err := range batch {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			return nil, 0, nil
		}
		if err != nil {
			return nil, 0, fmt.Errorf("read %s: %w", stream, err)
		}
		messages = append(messages, fromRaw(m))
		if next = m.Sequence + 1; header(m.Header, pendingHeader) == "0" {
			next = 0
		}
	}
	if len(messages) > 0 {
		return messages, next, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", stream, err)
	}
	return nil, 0, fmt.Errorf("read %s: %w", stream, ErrUnreachable)
}

// PendingHeader says of a message of a batch how many of its subject follow.
const pendingHeader = "Nats-Num-Pending"
