package streams

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
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
	return c.retry(ctx, func() error { return c.refusedBy(c.journal.add(ctx, m), m.Subject) })
}

// Publish stores a message and returns the server's refusal, if any.
func (c *Client) publish(ctx context.Context, m *nats.Msg) error {
	_, err := c.place(ctx, m)
	return c.refusedBy(err, m.Subject)
}

// Place stores a message and returns its sequence. It does what the client's
// PublishMsg does for less: every task pays for it.
func (c *Client) place(ctx context.Context, m *nats.Msg) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, pubAckWait)
	defer cancel()
	answer, err := c.nc.RequestMsgWithContext(ctx, m)
	if errors.Is(err, nats.ErrNoResponders) {
		return 0, jetstream.ErrNoStreamResponse
	}
	if err != nil {
		return 0, err
	}
	return readAck(answer.Data)
}

// ReadAck reads the server's answer to a publish: {"stream":"…","seq":7}, where
// nothing went wrong.
func readAck(data []byte) (uint64, error) {
	if before, number, found := bytes.Cut(data, []byte(`"seq":`)); found && !bytes.Contains(before, []byte("error")) {
		if digits := bytes.TrimSuffix(number, []byte("}")); len(digits) < 20 {
			if sequence, err := strconv.ParseUint(string(digits), 10, 64); err == nil {
				return sequence, nil
			}
		}
	}
	var answer struct {
		*jetstream.PubAck
		Error *jetstream.APIError `json:"error"`
	}
	switch err := json.Unmarshal(data, &answer); {
	case err != nil || answer.Error == nil && (answer.PubAck == nil || answer.Stream == ""):
		return 0, jetstream.ErrInvalidJSAck
	case answer.Error != nil:
		return 0, answer.Error
	}
	return answer.Sequence, nil
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
		if api := (*jetstream.APIError)(nil); c.refusal != nil && errors.As(err, &api) {
			c.refusal(err)
		}
		return err
	}
	return persist(ctx, 2*time.Second, try(), try)
}

// Persist repeats what failed with err, with growing pauses of which the longest
// is given, until it succeeds, its error is a [backoff.PermanentError], or ctx is
// done. So the first try, which mostly succeeds, costs nothing beside itself.
func persist(ctx context.Context, longest time.Duration, err error, again func() error) error {
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
		return again()
	}, backoff.WithContext(pause, ctx))
}
