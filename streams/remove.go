package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Remove deletes the message of TASKS with that sequence, whoever holds it. It
// reports whether there was one.
func (c *Client) remove(ctx context.Context, sequence uint64) (found bool, err error) {
	err = c.retry(ctx, func() error { return c.deleteMessage(ctx, sequence) })
	var api *jetstream.APIError
	if errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeMessageNotFound || api.ErrorCode == codeNoMessageAt) {
		return false, nil
	}
	return err == nil, wrap("delete", fmt.Sprintf("message %d", sequence), err)
}

// CodeNoMessageAt is the server's answer to a deletion of what is gone.
const codeNoMessageAt jetstream.ErrorCode = 10057

// DeleteMessage asks without looking the stream up first, as the client's own
// method does, and without overwriting the message on disk.
func (c *Client) deleteMessage(ctx context.Context, sequence uint64) error {
	body, err := json.Marshal(map[string]any{"seq": sequence, "no_erase": true})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, pubAckWait)
	defer cancel()
	answer, err := c.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.DELETE."+c.ns.Stream("TASKS"), body)
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
