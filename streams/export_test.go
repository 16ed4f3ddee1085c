package streams

import (
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Fault makes the source fail before a step of settling (event, follow, ack)
// whenever fn returns an error, as if the process died there.
func (s *Source) Fault(fn func(step string) error) { s.fault = fn }

// NC is the client's connection.
func (c *Client) NC() *nats.Conn { return c.nc }

// JS is the client's JetStream.
func (c *Client) JS() jetstream.JetStream { return c.js }
