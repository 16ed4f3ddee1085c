package streams

import (
	"context"
	"errors"
	"fmt"

	"github.com/synadia-io/orbit.go/jetstreamext"
)

const (
	pageMessages = 256
	// PageBytes keeps a page small beside what its messages may have.
	pageBytes = 4 << 20
)

// Each calls fn for the stored messages of subject in order, until it returns
// false. It holds a page of them at a time, and fn may take its time.
func (c *Client) each(ctx context.Context, kind, subject string, fn func(stored) bool) error {
	for next := uint64(1); next > 0; {
		var messages []stored
		var err error
		if messages, next, err = c.page(ctx, c.ns.Stream(kind), subject, next); err != nil {
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

// Page reads the next messages of subject from sequence next on, and returns
// where the page after it begins, 0 when nothing follows. The batch of the
// client's extension ends without a word when its time is over, so only a message
// that says that none follows, or the server's word that there is none, ends the
// pages.
func (c *Client) page(ctx context.Context, stream, subject string, next uint64) (messages []stored, after uint64, err error) {
	asked, cancel := context.WithTimeout(ctx, 2*pubAckWait)
	defer cancel()
	batch, err := jetstreamext.GetBatch(asked, c.js, stream, pageMessages,
		jetstreamext.GetBatchSubject(subject), jetstreamext.GetBatchSeq(next), jetstreamext.GetBatchMaxBytes(pageBytes))
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
		if after = m.Sequence + 1; header(m.Header, pendingHeader) == "0" {
			after = 0
		}
	}
	if len(messages) > 0 {
		return messages, after, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", stream, err)
	}
	return nil, 0, fmt.Errorf("read %s: %w", stream, ErrUnreachable)
}

// PendingHeader says of a message of a batch how many of its subject follow.
const pendingHeader = "Nats-Num-Pending"
