package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"sparkle/embedded"
	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
	"sparkle/tasks/learning"
)

type demo struct {
	Timeout time.Duration `default:"1m" placeholder:"DURATION" help:"How long all of it may take."`
}

// Run runs the samples on a server of its own; kong calls it.
func (c *demo) Run(ctx context.Context, s *session) error {
	if c.Timeout <= 0 {
		return cli.Misuse("--timeout: %v is not above 0", c.Timeout)
	}
	samples, err := learning.Samples()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sparkle-demo-*")
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // the system removes it in time
	server, err := embedded.New(embedded.Options{Store: dir, Logger: zerolog.Nop()})
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }() // nothing in it is kept
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	s.say("running %d samples in this process, without a network", len(samples))
	results, err := c.runAll(ctx, server, samples)
	if err != nil {
		return err
	}
	if err := demoList(results).Print(s.printer()); err != nil {
		return err
	}
	return verdict(results)
}

// RunAll runs the samples with a worker of its own.
func (c *demo) runAll(ctx context.Context, server *embedded.Server, samples []tasks.Task) ([]demoResult, error) {
	nc, err := server.Connect(nats.Name("sparkle demo"))
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	client, err := streams.NewClient(nc, "")
	if err != nil {
		return nil, err
	}
	if _, err := client.Ensure(ctx, streams.Topology{}); err != nil {
		return nil, err
	}
	registry := cli.Handled(client)
	worker, err := tasks.NewWorker(tasks.WorkerOptions{
		Source: streams.NewSource(client, streams.SourceOptions{}), Registry: registry, Name: "demo",
	})
	if err != nil {
		return nil, err
	}
	working, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	ended := make(chan error, 1)
	running.Go(func() { ended <- worker.Run(working) })
	results, err := publishAll(ctx, streams.NewPublisher(client, streams.PublisherOptions{Registry: registry}), samples)
	if err != nil {
		return nil, err
	}
	stop()
	return results, <-ended
}

// PublishAll publishes the samples and waits for each.
func publishAll(ctx context.Context, publisher *streams.Publisher, samples []tasks.Task) ([]demoResult, error) {
	results := make([]demoResult, len(samples))
	for i, sample := range samples {
		receipt, err := publisher.Publish(ctx, sample)
		if err != nil {
			return nil, err
		}
		results[i] = demoResult{ID: receipt.ID, Type: receipt.Type}
	}
	for i := range results {
		result, err := publisher.Await(ctx, results[i].ID, results[i].ID)
		var failed *streams.FailedError
		if errors.As(err, &failed) {
			result, err = failed.Result, nil
		}
		if err != nil {
			return nil, fmt.Errorf("wait for %s: %w", results[i].Type, err)
		}
		results[i].State, results[i].TookMS = result.State, float64(result.Took.Microseconds())/1e3
		results[i].Result, results[i].Error = printable(result.Result), result.Error
	}
	return results, nil
}
