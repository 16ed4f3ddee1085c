package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
			return err
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
	return err
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
		return err
	}, backoff.WithContext(pause, ctx))
}

// Remove deletes the message with that sequence; one that is gone already is no
// error. The server answers the deletion of what is gone with the code that any
// failed deletion has, so a look decides.
func (c *Client) remove(ctx context.Context, kind string, sequence uint64) error {
	request := fmt.Appendf(nil, `{"seq":%d,"no_erase":true}`, sequence)
	err := c.retry(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, pubAckWait)
		defer cancel()
		answer, err := c.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.DELETE."+c.ns.Stream(kind), request)
		if err != nil {
			return err
		}
		if err := refusal(answer.Data); err != nil {
			return backoff.Permanent(err)
		}
		return nil
	})
	if err == nil {
		return nil
	}
	if _, lookErr := c.leaderAt(ctx, kind, sequence); errors.Is(lookErr, errNoMessage) {
		return nil
	}
	return wrap("delete", fmt.Sprintf("message %d of %s", sequence, c.ns.Stream(kind)), err)
}

// Refusal is the error in an answer of the JetStream API, nil where it has none.
func refusal(answer []byte) error {
	var reply struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer, &reply); err != nil {
		return fmt.Errorf("decode an answer of the server: %w", err)
	}
	if reply.Error != nil {
		return reply.Error
	}
	return nil
}
