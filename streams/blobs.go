package streams

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// MaxBlob bounds one blob, in bytes.
const MaxBlob = tasks.MaxPayload

// Put stores data under a name, replacing what is there. Nothing removes it but
// its owner: the sweep goes by metadata, which this has not.
func (c *Client) Put(ctx context.Context, name, contentType string, data []byte) error {
	if len(data) > MaxBlob {
		return fmt.Errorf("put blob %s: %d bytes are more than %d", name, len(data), MaxBlob)
	}
	store, err := c.js.ObjectStore(ctx, c.ns.Stream("BLOBS"))
	if err != nil {
		return wrap("put blob", name, err)
	}
	_, err = store.Put(ctx, jetstream.ObjectMeta{
		Name: name, Headers: nats.Header{"Content-Type": {contentType}},
	}, bytes.NewReader(data))
	return wrap("put blob", name, err)
}

// Get returns a blob and its content type, or [ErrNotFound].
func (c *Client) Get(ctx context.Context, name string) (data []byte, contentType string, err error) {
	store, err := c.js.ObjectStore(ctx, c.ns.Stream("BLOBS"))
	if err != nil {
		return nil, "", wrap("get blob", name, err)
	}
	info, err := store.GetInfo(ctx, name)
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return nil, "", fmt.Errorf("get blob %s: %w", name, ErrNotFound)
	}
	if err != nil {
		return nil, "", wrap("get blob", name, err)
	}
	if info.Size > MaxBlob {
		return nil, "", fmt.Errorf("get blob %s: %d bytes are more than %d", name, info.Size, MaxBlob)
	}
	data, err = store.GetBytes(ctx, name)
	return data, info.Headers.Get("Content-Type"), wrap("get blob", name, err)
}
