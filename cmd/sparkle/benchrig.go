package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sparkle/streams"
	"sparkle/tasks"
)

// A rig is where the bench measures: a namespace of its own and, on the same
// server, a plain work queue.
type rig struct {
	*bench
	nc     *nats.Conn
	js     jetstream.JetStream
	client *streams.Client
	floor  jetstream.Stream
}

// A load is a payload whose JSON has 256 bytes.
type load struct {
	Data string `json:"data"`
}

var loadType = tasks.Type[load, struct{}]{Name: "bench"}

const loadSize = 256

var fullLoad = load{strings.Repeat("x", loadSize-len(`{"data":""}`))}

func connectTo(url string) (*nats.Conn, error) {
	return streams.Connect(streams.ConnectOptions{URL: url, Name: "sparkle bench"})
}

func newRig(ctx context.Context, nc *nats.Conn, c *bench) (*rig, error) {
	name := streams.Namespace("bench" + strconv.FormatUint(rand.Uint64(), 36))
	client, err := streams.NewClient(nc, name)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	r := &rig{bench: c, nc: nc, js: js, client: client}
	if _, err := client.Ensure(ctx, streams.Topology{}); err != nil {
		return nil, errors.Join(err, r.remove(ctx))
	}
	r.floor, err = js.CreateStream(ctx, jetstream.StreamConfig{
		Name: name.Stream("FLOOR"), Subjects: []string{r.floorSubject()}, Retention: jetstream.WorkQueuePolicy,
		AllowAtomicPublish: true, AllowBatchPublish: true,
	})
	if err != nil {
		return nil, errors.Join(err, r.remove(ctx))
	}
	return r, nil
}

func (r *rig) floorSubject() string { return string(r.client.Namespace()) + ".floor" }

// Remove deletes what the bench has made.
func (r *rig) remove(ctx context.Context) error {
	n := r.client.Namespace()
	names := []string{"KV_" + n.Stream("CONTROL"), "OBJ_" + n.Stream("BLOBS")}
	for _, kind := range []string{"TASKS", "EVENTS", "DEAD", "ADVISORIES", "USAGE", "FLOOR"} {
		names = append(names, n.Stream(kind))
	}
	var failed error
	for _, name := range names {
		if err := r.js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			failed = errors.Join(failed, fmt.Errorf("remove stream %s: %w", name, err))
		}
	}
	return failed
}

// Empty removes what a phase has left, but for the streams.
func (r *rig) empty(ctx context.Context) error {
	for _, kind := range []string{"TASKS", "EVENTS", "FLOOR"} {
		stream, err := r.js.Stream(ctx, r.client.Namespace().Stream(kind))
		if err != nil {
			return err
		}
		if err := stream.Purge(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *rig) registry(handler func(context.Context, load) (struct{}, error)) *tasks.Registry {
	var registry tasks.Registry
	tasks.Handle(&registry, loadType, handler)
	return &registry
}

func (r *rig) publisher() *streams.Publisher {
	var registry tasks.Registry
	tasks.Declare(&registry, loadType)
	return streams.NewPublisher(r.client, streams.PublisherOptions{Registry: &registry, MaxDepth: -1})
}

// Work runs a worker until stop is called, which returns when it has settled
// everything.
func (r *rig) work(registry *tasks.Registry) (stop func() error, err error) {
	worker, err := tasks.NewWorker(tasks.WorkerOptions{
		Source: streams.NewSource(r.client, streams.SourceOptions{}), Registry: registry,
		Name: "bench", Concurrency: r.Slots,
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	return sync.OnceValue(func() error {
		cancel()
		return <-ended
	}), nil
}

// Produce calls publish n times from the producers and returns the first error.
func (r *rig) produce(ctx context.Context, n int, publish func(context.Context) error) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var producing sync.WaitGroup
	for producer := range r.Producers {
		producing.Go(func() {
			for i := producer; i < n && ctx.Err() == nil; i += r.Producers {
				if err := publish(ctx); err != nil {
					fail(err)
				}
			}
		})
	}
	producing.Wait()
	return context.Cause(ctx)
}
