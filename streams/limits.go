package streams

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Codes of the server's answers to what does not fit.
const (
	codeTooLarge    jetstream.ErrorCode = 10054 // the stream's max_msg_size
	codeHeaderLarge jetstream.ErrorCode = 10097 // above 64 KiB
	codeStoreFailed jetstream.ErrorCode = 10077 // the stream's other limits, where it refuses at them
	codeNoResources jetstream.ErrorCode = 10023
	codeNoStorage   jetstream.ErrorCode = 10047 // the account's or the server's limit
	codeNoMemory    jetstream.ErrorCode = 10028
)

// Explain adds to an error of a publish which limit of what it ran into, and
// what to do. It asks the server for the limit's size.
func (c *Client) explain(ctx context.Context, err error, subject string) error {
	var api *jetstream.APIError
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: headers and payload of %s exceed what the server accepts", err, subject)
	case !errors.As(err, &api):
		return err
	}
	switch api.ErrorCode {
	case codeTooLarge, codeStoreFailed:
		return fmt.Errorf("stream %s: %w", c.limitOf(ctx, subject), err)
	case codeNoResources, codeNoStorage, codeNoMemory:
		return fmt.Errorf("the storage that JetStream may use is full, of the server or of this account: %w", err)
	}
	return err
}

// RefusedBy adds to the server's refusal which stream it is of.
func (c *Client) refusedBy(err error, subject string) error {
	if api := (*jetstream.APIError)(nil); !errors.As(err, &api) {
		return err
	}
	return fmt.Errorf("stream %s: %w", c.ns.Stream(c.kindOf(subject)), err)
}

// TooLarge reports an answer that only a smaller message can change.
func tooLarge(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, nats.ErrMaxPayload) || errors.As(err, &api) && (api.ErrorCode == codeTooLarge || api.ErrorCode == codeHeaderLarge)
}

// LimitOf names the stream that takes subject, with its limits.
func (c *Client) limitOf(ctx context.Context, subject string) string {
	kind := c.kindOf(subject)
	name := c.ns.Stream(kind)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pubAckWait)
	defer cancel()
	stream, err := c.js.Stream(ctx, name)
	if err != nil {
		return name
	}
	config, limits := stream.CachedInfo().Config, []string(nil)
	for _, l := range []struct {
		name  string
		value int64
	}{
		{"max_msgs", config.MaxMsgs}, {"max_bytes", config.MaxBytes},
		{"max_msgs_per_subject", config.MaxMsgsPerSubject}, {"max_msg_size", int64(config.MaxMsgSize)},
	} {
		if l.value > 0 {
			limits = append(limits, fmt.Sprintf("%s %d", l.name, l.value))
		}
	}
	if len(limits) == 0 {
		return name
	}
	return fmt.Sprintf("%s (limits: %s)", name, strings.Join(limits, ", "))
}

// KindOf is the kind of stream that takes subject.
func (c *Client) kindOf(subject string) string {
	rest := strings.TrimPrefix(subject, string(c.ns)+".")
	first, _, _ := strings.Cut(rest, ".")
	return strings.ToUpper(first)
}
