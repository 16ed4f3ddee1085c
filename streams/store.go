package streams

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Append stores an event and returns when the server has it; it tries until ctx
// is done, for an outcome must not be lost to an absent server.
func (c *Client) append(ctx context.Context, e Event) error {
	m, err := e.message(c.ns)
	if err != nil {
		return err
	}
	return c.retry(ctx, func() error { return c.journal.add(ctx, m) })
}

// Publish stores a message and returns the server's refusal, if any.
func (c *Client) publish(ctx context.Context, m *nats.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, pubAckWait)
	defer cancel()
	_, err := c.js.PublishMsg(ctx, m, jetstream.WithRetryAttempts(0))
	return err
}

// Retry repeats what an absent or overloaded server did not do, until ctx is
// done. An answer that cannot change ends it.
func (c *Client) retry(ctx context.Context, do func() error) error {
	try := func() error {
		if !c.nc.IsConnected() {
			if c.nc.IsClosed() {
				return backoff.Permanent(nats.ErrConnectionClosed)
			}
			return nats.ErrDisconnected
		}
		err := do()
		if err != nil && (permanent(err) || refused(err)) {
			return backoff.Permanent(err)
		}
		return err
	}
	return persist(ctx, 2*time.Second, try)
}

// Persist repeats try with growing pauses, the longest of which is given, until
// it succeeds, its error is a [backoff.PermanentError], or ctx is done. The first
// try, which mostly succeeds, costs nothing beside itself.
func persist(ctx context.Context, longest time.Duration, try func() error) error {
	err := try()
	var final *backoff.PermanentError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &final):
		return final.Err
	}
	pause := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(20*time.Millisecond), backoff.WithMaxInterval(longest), backoff.WithMaxElapsedTime(0))
	first := true
	return backoff.Retry(func() error {
		if first {
			first = false
			return err
		}
		return try()
	}, backoff.WithContext(pause, ctx))
}
