package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"sparkle/embedded"
	"sparkle/internal/cli"
)

// StartServer starts the server of --dev; without --dev it returns nil.
func (f *flags) startServer(log zerolog.Logger) (*embedded.Server, error) {
	if !f.Dev {
		return nil, nil
	}
	server, err := embedded.New(embedded.Options{
		Store: f.Store, Listen: string(f.Listen), Token: f.ListenToken, Sync: f.Sync, Logger: log,
	})
	if err != nil {
		return nil, cli.Advise(fmt.Errorf("start the NATS server on --listen %s with --store %s: %w", f.Listen, f.Store, err),
			"where another program has the port or the store, give another --listen (port 0 is a free one) or --store")
	}
	return server, nil
}

func (c *consumer) stopServer() error {
	if c.server == nil {
		return nil
	}
	return c.server.Close()
}

// Connect connects in process to the server of --dev, else over the network.
func (c *consumer) connect(ctx context.Context, std cli.Std) (*nats.Conn, error) {
	if c.server == nil {
		return c.flags.Connect(ctx, "consumer", c.log, std.Err)
	}
	// What is published while the connection is away fails at once.
	return c.server.Connect(nats.Name("consumer"), nats.ReconnectBufSize(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			c.log.Error().Err(err).Msg("NATS refused")
		}))
}

const flushWait = 2 * time.Second

// Disconnect sends what is on its way, such as the last acks, and closes.
func (c *consumer) disconnect() {
	if err := c.nc.FlushTimeout(flushWait); err != nil && !c.nc.IsClosed() {
		c.log.Warn().Err(err).Msg("last messages not confirmed")
	}
	c.nc.Close()
}
