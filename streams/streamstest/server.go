// Package streamstest gives tests a real NATS server with Sparkle's topology, in
// process and in a temporary directory.
package streamstest

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"sparkle/embedded"
	"sparkle/streams"
)

// Options configures [New]; the zero value is a server with the default
// topology.
type Options struct {
	// Topology to make. Tests of lost leases want a short AckWait.
	Topology streams.Topology
	// Listen is the server's address, for tests with other processes; "" means
	// in-process only, port 0 a free one.
	Listen string
	// Store is the server's directory. Default t.TempDir().
	Store string
	// Namespace of the client. Default "sparkle".
	Namespace streams.Namespace
}

// A Server is a running server with a client.
type Server struct {
	*embedded.Server
	Client *streams.Client
	Conn   *nats.Conn
}

// New starts a server with the topology in place and stops it when the test
// ends. It ends the test when it cannot.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	if o.Store == "" {
		o.Store = t.TempDir()
	}
	server, err := embedded.New(embedded.Options{Store: o.Store, Listen: o.Listen, Logger: zerolog.Nop()})
	if err != nil {
		t.Fatalf("start the server: %v", err)
	}
	t.Cleanup(func() { _ = server.Close() })
	conn, err := server.Connect()
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(conn.Close)
	client, err := streams.NewClient(conn, o.Namespace)
	if err != nil {
		t.Fatalf("new client: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := client.Ensure(ctx, o.Topology); err != nil {
		t.Fatalf("ensure the topology: %v", err)
	}
	return &Server{Server: server, Client: client, Conn: conn}
}
