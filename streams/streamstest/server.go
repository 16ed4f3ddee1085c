// Package streamstest gives tests a real NATS server with Sparkle's topology, in
// process and in a temporary directory.
package streamstest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"sparkle/embedded"
	"sparkle/streams"
	"sparkle/tasks"
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
	Client   *streams.Client
	Conn     *nats.Conn
	Topology streams.Topology
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
	return &Server{Server: server, Client: client, Conn: conn, Topology: o.Topology}
}

// Work runs a worker with the handlers of r until stop is called or the test
// ends. A stopped worker has drained; running handlers are cancelled at once.
func (s *Server) Work(t testing.TB, r *tasks.Registry) (stop func()) {
	t.Helper()
	worker, err := tasks.NewWorker(tasks.WorkerOptions{
		Source:   streams.NewSource(s.Client, streams.SourceOptions{Topology: s.Topology}),
		Registry: r, AckWait: s.Topology.AckWait, Grace: -1, Pools: s.Topology.Pools,
	})
	if err != nil {
		t.Fatalf("new worker: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("worker ended with %v, want nil", err)
		}
	})
	t.Cleanup(stop)
	return stop
}
