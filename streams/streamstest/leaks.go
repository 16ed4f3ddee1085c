package streamstest

import "go.uber.org/goleak"

// KnownLeak lets goleak pass over one goroutine of nats.go v1.55: the one that a
// first asynchronous publish starts waits for ever where the connection is closed
// at the same moment. It is the client's, one for each such connection.
func KnownLeak() goleak.Option {
	return goleak.IgnoreTopFunction("github.com/nats-io/nats.go/jetstream.(*jetStream).resetPendingAcksOnReconnect")
}
