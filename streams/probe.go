package streams

import "context"

// Probe asks the server whether the namespace has its streams: nil, or
// [ErrNoTopology], or why there was no answer.
func (c *Client) Probe(ctx context.Context) error {
	_, err := c.js.Stream(ctx, c.ns.Stream("TASKS"))
	return c.missing(err)
}
