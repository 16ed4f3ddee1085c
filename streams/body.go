package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"sparkle/tasks"
)

// A Body is how a message carries a payload or a result that does not stand in
// it as plain JSON: compressed, in another content type, or as a claim check, of
// which the message has only the name and the digest. [Client.Load] reads it.
type Body struct {
	ContentType string `json:"content_type,omitempty"` // empty is JSON
	Encoding    string `json:"encoding,omitempty"`     // zstd, or empty
	Blob        string `json:"blob,omitempty"`         // name in the object store; empty: Data has the value
	Digest      string `json:"digest,omitempty"`       // of the blob: SHA-256= and base64url
	Size        int    `json:"size,omitempty"`         // of the blob, in bytes
	Data        []byte `json:"-"`
}

// Fill sets the headers of b; a nil body has none.
func (b *Body) fill(h *headers) {
	if b == nil {
		return
	}
	h.set(HeaderContentType, b.ContentType)
	h.set(HeaderContentEncoding, b.Encoding)
	if b.Blob != "" {
		h.set(HeaderBlob, b.Blob)
		h.set(HeaderBlobDigest, b.Digest)
		h.number(HeaderBlobSize, uint64(b.Size), 0)
	}
}

// ReadBody returns nil for plain JSON in the message itself, which is the rule.
func readBody(s stored) *Body {
	h := s.header
	b := Body{
		ContentType: header(h, HeaderContentType), Encoding: header(h, HeaderContentEncoding), Blob: header(h, HeaderBlob),
	}
	if b.Blob != "" {
		b.Digest, b.Size = header(h, HeaderBlobDigest), number(h, HeaderBlobSize)
		return &b
	}
	if b.Encoding == "" && mediaType(b.ContentType) == jsonType {
		return nil
	}
	b.Data = s.data
	return &b
}

// Load returns the JSON value that a body stands for; of a nil body, none. A
// blob that is gone, or another than the message says, and what cannot be
// decoded are an [*UnreadableError]. It holds the value and its encoded form in
// memory, each at most [MaxBlob].
func (c *Client) Load(ctx context.Context, b *Body) (json.RawMessage, error) {
	if b == nil {
		return nil, nil
	}
	data := b.Data
	if b.Blob != "" {
		var err error
		if data, err = c.checkOut(ctx, b); err != nil {
			return nil, err
		}
	}
	return c.decode(b, data)
}

// LoadInto fills in value where a body carries it, and says as a text why it
// cannot be read. The error is the server's silence.
func (c *Client) loadInto(ctx context.Context, b *Body, value *json.RawMessage) (problem string, err error) {
	if b == nil {
		return "", nil
	}
	data, err := c.Load(ctx, b)
	var broken *UnreadableError
	switch {
	case errors.As(err, &broken):
		return broken.Want, nil
	case err != nil:
		return "", err
	case !json.Valid(data): // anybody can publish
		return "is not JSON", nil
	}
	*value = data
	return "", nil
}

// An UnreadableError says why a payload or a result cannot be read, now and
// later. It quotes no value.
type UnreadableError struct{ Want string }

func (e *UnreadableError) Error() string { return e.Want }

func unreadable(format string, args ...any) *UnreadableError {
	return &UnreadableError{fmt.Sprintf(format, args...)}
}

// Payload reads what a lease's task carries; nil where it came with the task.
func (l *lease) payload() func(context.Context) (json.RawMessage, error) {
	if l.body == nil {
		return nil
	}
	return func(ctx context.Context) (json.RawMessage, error) { return l.source.loadPayload(ctx, l.body) }
}

// LoadPayload is Load for a task that cannot run without.
func (c *Client) loadPayload(ctx context.Context, b *Body) (json.RawMessage, error) {
	value, err := c.Load(ctx, b)
	var broken *UnreadableError
	if errors.As(err, &broken) {
		return nil, &tasks.InvalidError{Field: "payload", Want: broken.Want}
	}
	return value, err
}
