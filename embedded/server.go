// Package embedded runs a NATS server with JetStream inside the process: all
// that development and a small deployment need, with no second program to
// install. A cluster takes its place without a change to the code that uses
// the connection.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// reconnectWait is how long an in-process connection waits before it connects
// again after the server dropped it, which it does to a slow reader. No
// network is between the two, so the client's default of 2s is only delay.
const reconnectWait = 100 * time.Millisecond

// A Server is a running NATS server and the lock on its store. New starts it;
// Run or Close ends it, and one of them must be called. It owns the server's
// goroutines. Its methods are safe for concurrent use.
type Server struct {
	nats    *server.Server
	log     *serverLog
	lock    *storeLock
	token   string
	closing sync.Once
	closed  chan struct{}
}

// New locks the store, starts a server on it and returns when JetStream
// answers and every stream in the store has been recovered. A server that is
// still recovering after ReadyTimeout is an error; it is then stopped, and its
// store unlocked, in the background.
func New(o Options) (*Server, error) {
	o = o.withDefaults()
	config, err := o.config()
	if err != nil {
		return nil, err
	}
	lock, err := lockStore(config.StoreDir)
	if err != nil {
		return nil, err
	}
	s := &Server{log: newServerLog(o.Logger), lock: lock, token: o.Token, closed: make(chan struct{})}
	if s.nats, err = server.NewServer(config); err != nil {
		return nil, errors.Join(fmt.Errorf("set up server: %w", err), lock.release())
	}
	s.nats.SetLoggerV2(s.log, s.log.debug(), false, false)
	if err := s.start(o.ReadyTimeout); err != nil {
		return nil, fmt.Errorf("start server on %s: %w", config.StoreDir, err)
	}
	return s, nil
}

// start starts the server and waits until it is ready; a server that is not is
// closed.
func (s *Server) start(timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	started := make(chan struct{})
	go func() { defer close(started); s.nats.Start() }()

	select {
	case <-started:
	case <-ctx.Done():
		// A server that is shut down while it starts leaves goroutines behind.
		go func() { <-started; _ = s.Close() }()
		return fmt.Errorf("recover streams: not done after %v, raise ReadyTimeout", timeout)
	}
	if err := s.awaitReady(ctx); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

// awaitReady returns nil when the server is ready and JetStream has answered a
// client.
func (s *Server) awaitReady(ctx context.Context) error {
	if err := s.log.fatal(); err != nil {
		return err
	}
	// Start returns a moment before the server calls its start complete, and the
	// health check waits only 1 ms for that.
	deadline, _ := ctx.Deadline()
	if !s.nats.ReadyForConnections(time.Until(deadline)) {
		return errors.New("accept connections: not ready in time, raise ReadyTimeout")
	}
	if err := s.Ready(); err != nil {
		return err
	}
	nc, err := s.Connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("ask JetStream: %w", err)
	}
	if _, err := js.AccountInfo(ctx); err != nil {
		return fmt.Errorf("ask JetStream: %w", err)
	}
	return nil
}

// Connect returns a connection to the server that needs no listener, no token
// and no network. It reconnects for ever, and so outlives the server unless
// the caller closes it: first the connections, then the server. The options
// are applied after Connect's own and may override them. After Close it is an
// error.
func (s *Server) Connect(options ...nats.Option) (*nats.Conn, error) {
	own := []nats.Option{
		nats.InProcessServer(s.nats),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
	}
	if s.token != "" {
		own = append(own, nats.Token(s.token))
	}
	nc, err := nats.Connect("nats://in-process", append(own, options...)...)
	if err != nil {
		return nil, fmt.Errorf("connect in process: %w", err)
	}
	return nc, nil
}

// URL is where NATS clients reach the listener, with its real port and without
// the token; empty when there is no listener.
func (s *Server) URL() string {
	if s.nats.Addr() == nil {
		return ""
	}
	return s.nats.ClientURL()
}

// Ready returns nil while the server accepts connections, JetStream runs, and
// every stream of the store has been recovered and can be written. A stream
// that met a full disk refuses writes until the server is started again; the
// error then names the stream.
func (s *Server) Ready() error {
	select {
	case <-s.closed:
		return errors.New("server is closed")
	default:
	}
	status := s.nats.Healthz(new(server.HealthzOptions))
	if status.Error != "" {
		return errors.New(status.Error)
	}
	return nil
}

// Run blocks until ctx is done, closes the server and returns nil. Give it a
// context of its own, which ends after the worker has drained; a signal's
// context would take the server away from the worker. It also returns when
// Close is called.
func (s *Server) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-s.closed:
	}
	return s.Close()
}

// Close shuts the server down and then unlocks the store; its goroutines have
// ended when it returns. It is for a server that is not Run: in a test, or
// after a start that failed half-way. Calling it again does nothing.
func (s *Server) Close() error {
	var err error
	s.closing.Do(func() {
		defer close(s.closed)
		s.nats.Shutdown()
		s.nats.WaitForShutdown()
		err = s.lock.release()
	})
	return err
}
