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
	return c.retry(ctx, func() error {
		future, err := c.js.PublishMsgAsync(m)
		if err != nil {
			return err
		}
		select {
		case <-future.Ok():
			return nil
		case err := <-future.Err():
			return c.refusedBy(err, m.Subject)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
}

// Publish stores a message and returns the server's refusal, if any.
func (c *Client) publish(ctx context.Context, m *nats.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, pubAckWait)
	defer cancel()
	_, err := c.js.PublishMsg(ctx, m, jetstream.WithRetryAttempts(0))
	return c.refusedBy(err, m.Subject)
}

// Retry repeats what an absent or overloaded server did not do, until ctx is
// done. An answer that cannot change ends it.
func (c *Client) retry(ctx context.Context, do func() error) error {
	pause := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(20*time.Millisecond), backoff.WithMaxInterval(2*time.Second), backoff.WithMaxElapsedTime(0))
	return backoff.Retry(func() error {
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
		if api := (*jetstream.APIError)(nil); c.refusal != nil && errors.As(err, &api) {
			c.refusal(err)
		}
		return err
	}, backoff.WithContext(pause, ctx))
}
