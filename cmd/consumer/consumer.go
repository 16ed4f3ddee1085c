package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"

	"sparkle/embedded"
	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

// Types gives the types to run, with handlers over a client.
type types func(*streams.Client) *tasks.Registry

// A consumer is a worker with what stands around it.
type consumer struct {
	flags   *flags
	log     zerolog.Logger
	server  *embedded.Server // nil without --dev
	nc      *nats.Conn
	client  *streams.Client
	source  *streams.Source
	worker  *tasks.Worker
	metrics *prometheus.Registry
	known   []tasks.Definition
}

// Run runs the program; kong calls it. Things stop in the order worker, mover and
// controller and HTTP, connection, server: each still needs the later ones.
func (f *flags) Run(ctx context.Context, std cli.Std, given cli.Given, types types) (err error) {
	if err := f.check(given); err != nil {
		return err
	}
	web, err := listenHTTP(f.HTTP)
	if err != nil {
		return err
	}
	defer web.close()
	c := &consumer{flags: f, log: f.Logger(std)}
	if c.server, err = f.startServer(c.log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stopServer()) }()
	if c.nc, err = c.connect(ctx, std); err != nil {
		return err
	}
	defer c.disconnect()
	if err := c.prepare(ctx, types); err != nil {
		return err
	}
	web.handler = c.handler(ctx)
	c.welcome(std, web)
	stopped := context.AfterFunc(ctx, func() { c.farewell(std) })
	defer stopped()
	return c.work(ctx, web)
}

// Prepare puts the topology in place and makes the worker.
func (c *consumer) prepare(ctx context.Context, types types) error {
	var err error
	if c.client, err = streams.NewClient(c.nc, streams.Namespace(c.flags.Namespace)); err != nil {
		return err
	}
	topology := c.flags.With(c.flags.Pools)
	if err := c.ensure(ctx, topology); err != nil {
		return err
	}
	c.metrics = prometheus.NewRegistry()
	c.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	c.source = streams.NewSource(c.client, streams.SourceOptions{Topology: topology, Log: c.log})
	registry := types(c.client)
	c.known = registry.Types()
	c.announce(ctx, registry)
	c.worker, err = tasks.NewWorker(tasks.WorkerOptions{
		Source: c.source, Registry: registry, Name: c.flags.Name, Concurrency: c.flags.Concurrency,
		Pools: c.flags.Pools, Priorities: c.flags.Priorities, Weights: tasks.Weights(c.flags.Weights),
		Strict: c.flags.Strict, Grace: c.flags.graceOption(), Log: c.log, Metrics: c.metrics,
	})
	return err
}

// Announce tells publishers of the types. They can do without, so it is no reason
// to stand still.
func (c *consumer) announce(ctx context.Context, r *tasks.Registry) {
	ctx, cancel := context.WithTimeout(ctx, ensureWait)
	defer cancel()
	if err := c.client.Announce(ctx, r, cli.ReadBuild().Version); err != nil {
		c.log.Warn().Err(err).Msg("types not announced")
	}
}

const ensureWait = 30 * time.Second

// Ensure reconciles the server with the topology. A difference that only losing
// data could mend is the operator's to judge, and no reason to stand still.
func (c *consumer) ensure(ctx context.Context, t streams.Topology) error {
	ctx, cancel := context.WithTimeout(ctx, ensureWait)
	defer cancel()
	changes, err := c.client.Ensure(ctx, t)
	for _, change := range changes {
		c.log.WithLevel(c.newsLevel()).Stringer("change", change).Msg("topology")
	}
	if errors.Is(err, streams.ErrDestructive) {
		c.log.Warn().Err(err).Msg("topology left as it is")
		return nil
	}
	if err != nil {
		return fmt.Errorf("put the streams in place at %s: %w", c.nc.ConnectedUrlRedacted(), err)
	}
	return nil
}

// NewsLevel is where changes of the topology are logged: on a server of its own
// they are no news.
func (c *consumer) newsLevel() zerolog.Level {
	if c.server != nil {
		return zerolog.DebugLevel
	}
	return zerolog.InfoLevel
}

// Work runs the worker until ctx is done, and what stands around it until the
// worker has drained. What ends by itself with an error ends all.
func (c *consumer) work(ctx context.Context, web *web) error {
	working, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	around, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	mover := streams.NewMover(c.client, streams.MoverOptions{Log: c.log})
	controller := streams.NewController(c.client, streams.ControllerOptions{Worker: c.worker, Version: cli.ReadBuild().Version})
	var running sync.WaitGroup
	for _, part := range []func(context.Context) error{mover.Run, controller.Run, web.run, c.watch} {
		running.Go(func() {
			if err := part(around); err != nil {
				fail(err)
			}
		})
	}
	err := c.worker.Run(working)
	stop()
	running.Wait()
	if ctx.Err() == nil && err == nil {
		err = context.Cause(working)
	}
	return err
}

// Watch ends with an error when the connection is closed for good, as after
// credentials that are refused twice: whoever runs the process starts it again.
func (c *consumer) watch(ctx context.Context) error {
	closed := c.nc.StatusChanged(nats.CLOSED)
	defer c.nc.RemoveStatusListener(closed)
	select {
	case <-ctx.Done():
		return nil
	case <-closed:
		return fmt.Errorf("NATS connection is closed: %w", errors.Join(c.nc.LastError(), nats.ErrConnectionClosed))
	}
}
