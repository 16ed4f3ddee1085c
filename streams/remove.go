package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Remove deletes the message of a stream with that sequence, whoever holds it. It
// reports whether there was one. The server has several answers to the deletion
// of what is gone, one of which any failed deletion has too, so a look decides.
func (c *Client) remove(ctx context.Context, kind string, sequence uint64) (found bool, err error) {
	err = c.retry(ctx, func() error {
		found = true
		err := c.deleteMessage(ctx, kind, sequence)
		var api *jetstream.APIError
		if !errors.As(err, &api) {
			return err
		}
		if _, lookErr := c.leaderAt(ctx, kind, sequence); errors.Is(lookErr, errNoMessage) {
			found = false
			return nil
		}
		return err
	})
	return found && err == nil, wrap("delete", fmt.Sprintf("message %d of %s", sequence, c.ns.Stream(kind)), err)
}

// DeleteMessage asks without looking the stream up first, as the client's own
// method does, and without overwriting the message on disk.
func (c *Client) deleteMessage(ctx context.Context, kind string, sequence uint64) error {
	body, err := json.Marshal(map[string]any{"seq": sequence, "no_erase": true})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, pubAckWait)
	defer cancel()
	answer, err := c.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.DELETE."+c.ns.Stream(kind), body)
	if err != nil {
		return err
	}
	var reply struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &reply); err != nil {
		return fmt.Errorf("decode the answer to a deletion: %w", err)
	}
	if reply.Error != nil {
		return reply.Error
	}
	return nil
}
