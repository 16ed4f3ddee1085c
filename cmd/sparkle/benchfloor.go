package main

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// The floor is what the plain NATS client does on a plain work queue: nothing of
// a task layer.

func floorEnqueue(ctx context.Context, r *rig) (reading, error) {
	data := bytes.Repeat([]byte("x"), loadSize)
	begun := time.Now()
	err := r.produce(ctx, r.Tasks, func(ctx context.Context) error {
		_, err := r.js.Publish(ctx, r.floorSubject(), data)
		return err
	})
	return reading{tasks: r.Tasks, took: time.Since(begun)}, err
}

// FloorPull is how many messages the plain consumer has in its buffer.
const floorPull = 100

// FloorDrain acknowledges from as many goroutines as the worker has slots. One
// that acknowledged in the callback, as each message comes, meets a slow path of
// the server now and then: with exactly two messages of a deep backlog read, each
// acknowledgement costs 0.3 ms.
func floorDrain(ctx context.Context, r *rig) (reading, error) {
	if _, err := floorBulk(ctx, r); err != nil {
		return reading{}, err
	}
	var ran atomic.Int64
	done := make(chan struct{})
	slots := make(chan jetstream.Msg, floorPull)
	var working sync.WaitGroup
	defer working.Wait()
	defer close(slots)
	for range r.Slots {
		working.Go(func() {
			for m := range slots {
				_ = m.Ack() // a lost one would show as a bench that does not end
				if ran.Add(1) == int64(r.Tasks) {
					close(done)
				}
			}
		})
	}
	begun := time.Now()
	stop, err := r.consume(ctx, func(m jetstream.Msg) { slots <- m })
	if err != nil {
		return reading{}, err
	}
	defer stop()
	select {
	case <-done:
	case <-ctx.Done():
		return reading{}, context.Cause(ctx)
	}
	err = r.nc.Flush()
	return reading{tasks: r.Tasks, took: time.Since(begun)}, err
}

func floorLatency(ctx context.Context, r *rig) (reading, error) {
	arrived := make(chan time.Time, 1)
	stop, err := r.consume(ctx, func(m jetstream.Msg) {
		arrived <- time.Now()
		_ = m.Ack() // a lost one costs nothing here
	})
	if err != nil {
		return reading{}, err
	}
	defer stop()
	data := bytes.Repeat([]byte("x"), loadSize)
	times, err := r.single(ctx, arrived, func(ctx context.Context) error {
		_, err := r.js.Publish(ctx, r.floorSubject(), data)
		return err
	})
	return reading{tasks: len(times), times: times}, err
}

// Consume runs a plain consumer until stop is called.
func (r *rig) consume(ctx context.Context, handle jetstream.MessageHandler) (stop func(), err error) {
	consumer, err := r.floor.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "floor", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 20_000,
	})
	if err != nil {
		return nil, err
	}
	consuming, err := consumer.Consume(handle, jetstream.PullMaxMessages(floorPull))
	if err != nil {
		return nil, err
	}
	return func() {
		consuming.Stop()
		<-consuming.Closed()
	}, nil
}
