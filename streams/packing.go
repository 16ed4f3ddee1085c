package streams

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// Packing says how payloads or results are written into messages. Its zero value
// is JSON, compressed where that helps, with large values in the object store.
type Packing struct {
	// Codec writes the values. Default JSON. Whoever reads them needs it among
	// its [Client.Codecs].
	Codec Codec
	// CompressAbove is the size in bytes above which a value is compressed by
	// zstd, where that makes it smaller by an eighth. Default 32 KiB; negative:
	// never.
	CompressAbove int
	// InlineLimit is the size in bytes, compressed, above which a value goes to
	// the object store. Default, and at most, [MaxInline]; at most half of what
	// the server accepts as a message.
	InlineLimit int
}

// MaxInline bounds what a task or an event carries itself, in bytes. With its
// headers and, as a dead letter, its history it must fit a message.
const MaxInline = 256 << 10

func (p Packing) inlineLimit(maxMessage int64) int {
	limit := min(cmp.Or(max(p.InlineLimit, 0), MaxInline), MaxInline)
	if maxMessage > 0 { // known once the client has been connected
		limit = min(limit, int(maxMessage/2))
	}
	return limit
}

// PackPayload decides how a payload is carried, and stores its blob if it has
// one. It gives the writing of a blob the publisher's patience and a second for
// each MiB.
func (p *Publisher) packPayload(ctx context.Context, e envelope) (*Body, error) {
	b, large, err := p.pack(p.options.Packing, e.Payload)
	if err != nil {
		return nil, &tasks.InvalidError{Field: "payload", Want: err.Error()}
	}
	if !large {
		return b, nil
	}
	writing, cancel := p.writing(ctx, len(b.Data))
	defer cancel()
	// An id that is taken is found out before megabytes are stored in vain.
	if e.run != e.ID {
		if err = p.taken(writing, e.ID); err != nil {
			return nil, err
		}
	}
	err = p.checkIn(writing, b, payloadBlob(e.run), owner{payloadKind, e.Type, e.ID})
	return b, p.unwritten(ctx, writing, err)
}

func (p *Publisher) writing(ctx context.Context, size int) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, p.options.Patience+time.Duration(size>>20)*time.Second)
}

// Unwritten tells silence, for as long as writing went on, from a refusal.
func (p *Publisher) unwritten(ctx, writing context.Context, err error) error {
	var answer *jetstream.APIError
	if err != nil && writing.Err() != nil && ctx.Err() == nil && !errors.As(err, &answer) {
		return fmt.Errorf("%w; nothing was published (%w)", ErrUnreachable, err)
	}
	return err
}

// Taken answers a [*WaitingError] when a task has the id. That the server does
// not answer is found out by what comes next.
func (c *Client) taken(ctx context.Context, id string) error {
	last, err := c.leaderLast(ctx, "TASKS", c.ns.Anywhere(id))
	if err != nil {
		return nil //nolint:nilerr // no such task, or no answer
	}
	found, _ := c.ns.open(last)
	return &WaitingError{ID: id, Run: found.run}
}

// Pack encodes a value and says whether it is too large to be carried inline.
func (c *Client) pack(p Packing, value json.RawMessage) (b *Body, large bool, err error) {
	if b, err = c.encode(p, value); err != nil {
		return nil, false, err
	}
	size := len(value)
	if b != nil {
		size = len(b.Data)
	}
	// The first saves the connection's lock.
	if p.InlineLimit == 0 && size <= compressAbove || size <= p.inlineLimit(c.nc.MaxPayload()) {
		return b, false, nil
	}
	if b == nil {
		b = &Body{Data: value}
	}
	return b, true, nil
}

// PackResult decides how the result of o, if any, is carried. What the codec
// refuses is stored as JSON, since the work is done.
func (l *lease) packResult(ctx context.Context, o *tasks.Outcome) (*Body, error) {
	b, large, err := l.writeResult(o)
	if err != nil || !large {
		return b, err
	}
	return b, l.source.checkIn(ctx, b, l.resultBlob(), owner{resultKind, l.Type, l.ID})
}

// WriteResult encodes a result and reports whether it is too large for its event.
func (l *lease) writeResult(o *tasks.Outcome) (b *Body, large bool, err error) {
	if o.State != tasks.Succeeded {
		return nil, false, nil
	}
	packing := l.source.options.Packing
	if b, large, err = l.source.pack(packing, o.Result); err != nil {
		packing.Codec = nil
		return l.source.pack(packing, o.Result)
	}
	return b, large, nil
}
