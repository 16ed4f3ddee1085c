package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"sparkle/dashboard"
	"sparkle/internal/cli"
	"sparkle/streams"
)

// A web serves HTTP; without a listener it serves nothing.
type web struct {
	listener net.Listener
	handler  http.Handler
}

// ListenHTTP takes the port first, so that one in use is told before anything is
// started.
func listenHTTP(a address) (*web, error) {
	if a == "" {
		return &web{}, nil
	}
	listener, err := net.Listen("tcp", string(a))
	if err != nil {
		return nil, cli.Advise(fmt.Errorf("listen on --http: %w", err), "give another --http; port 0 is a free one, off is none")
	}
	return &web{listener: listener}, nil
}

func (w *web) close() {
	if w.listener != nil {
		_ = w.listener.Close() // closed already after a run
	}
}

// URL is where it serves, with its real port; off when it does not.
func (w *web) url() string {
	if w.listener == nil {
		return "off"
	}
	return "http://" + w.listener.Addr().String()
}

const shutdownWait = 5 * time.Second

// Run serves until ctx is done.
func (w *web) run(ctx context.Context) error {
	if w.listener == nil {
		return nil
	}
	server := &http.Server{
		Handler: w.handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(w.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownWait)
	defer cancel()
	if server.Shutdown(ending) != nil {
		_ = server.Close() // whoever is still reading has had his time
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve HTTP: %w", err)
	}
	return nil
}

// Handler is the dashboard of this consumer. Ctx is the worker's: once it is done
// the process is not ready, as it takes no more tasks.
func (c *consumer) handler(ctx context.Context) http.Handler {
	pulls := dashboard.Pulls{Last: c.source.LastPull, Worker: c.worker.Stats,
		Queues: func(ctx context.Context) ([]streams.QueueInfo, error) { return c.client.Queues(ctx) }}
	return dashboard.Handler(dashboard.Options{
		Health:  c.alive,
		Metrics: c.metrics,
		Token:   c.flags.HTTPToken,
		Ready: []dashboard.Check{
			{Name: "draining", Test: func(context.Context) error {
				if ctx.Err() != nil {
					return errors.New("the process is stopping")
				}
				return nil
			}},
			{Name: "nats", Test: func(context.Context) error {
				if !c.nc.IsConnected() {
					return fmt.Errorf("connection is %s", c.nc.Status())
				}
				return nil
			}},
			{Name: "pulls", Test: pulls.Check},
		},
	})
}

func (c *consumer) alive() error {
	if c.server == nil {
		return nil
	}
	return c.server.Ready()
}
