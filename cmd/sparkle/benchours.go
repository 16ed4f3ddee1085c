package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

func phases() []phase {
	return []phase{
		{"enqueue", enqueue, floorEnqueue},
		{"drain", drain, floorDrain},
		{"latency", latency, floorLatency},
		{"await", await, nil},
		{"batch", batch, floorBatch},
		{"bulk", bulkLoad(false), floorBulk},
		{"bulk-guarded", bulkLoad(true), floorBulk},
	}
}

// Enqueue publishes one by one from all producers.
func enqueue(ctx context.Context, r *rig) (reading, error) {
	publisher := r.publisher()
	task, err := loadType.New(fullLoad)
	if err != nil {
		return reading{}, err
	}
	begun := time.Now()
	err = r.produce(ctx, r.Tasks, func(ctx context.Context) error {
		_, err := publisher.Publish(ctx, task)
		return err
	})
	return reading{tasks: r.Tasks, took: time.Since(begun)}, err
}

// Drain empties a deep queue with a handler that does nothing; it ends when all
// is settled.
func drain(ctx context.Context, r *rig) (reading, error) {
	if _, err := bulkLoad(false)(ctx, r); err != nil {
		return reading{}, err
	}
	var ran atomic.Int64
	done := make(chan struct{})
	begun := time.Now()
	stop, err := r.work(r.registry(func(context.Context, load) (struct{}, error) {
		if ran.Add(1) == int64(r.Tasks) {
			close(done)
		}
		return struct{}{}, nil
	}))
	if err != nil {
		return reading{}, err
	}
	select {
	case <-done:
	case <-ctx.Done():
		return reading{}, errors.Join(context.Cause(ctx), stop())
	}
	err = stop()
	return reading{tasks: r.Tasks, took: time.Since(begun)}, err
}

// Latency is from just before the publish of a task on an idle queue to the start
// of its handler.
func latency(ctx context.Context, r *rig) (reading, error) {
	started := make(chan time.Time, 1)
	stop, err := r.work(r.registry(func(context.Context, load) (struct{}, error) {
		started <- time.Now()
		return struct{}{}, nil
	}))
	if err != nil {
		return reading{}, err
	}
	publisher := r.publisher()
	times, err := r.single(ctx, started, func(ctx context.Context) error {
		task, err := loadType.New(fullLoad)
		if err == nil {
			_, err = publisher.Publish(ctx, task)
		}
		return err
	})
	return reading{tasks: len(times), times: times}, errors.Join(err, stop())
}

// Single sends one task after the other, each to an idle queue, and returns how
// long each took to arrive. The first warms up.
func (r *rig) single(ctx context.Context, arrived <-chan time.Time, send func(context.Context) error) ([]time.Duration, error) {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	times := []time.Duration{}
	for i := range r.some() + 1 {
		<-ticker.C
		sent := time.Now()
		if err := send(ctx); err != nil {
			return nil, err
		}
		select {
		case at := <-arrived:
			if i > 0 {
				times = append(times, at.Sub(sent))
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return times, nil
}

// Await is from the return of a handler to the return of Await, with the storing
// of the outcome between them.
func await(ctx context.Context, r *rig) (reading, error) {
	var returned atomic.Int64
	stop, err := r.work(r.registry(func(context.Context, load) (struct{}, error) {
		returned.Store(time.Now().UnixNano())
		return struct{}{}, nil
	}))
	if err != nil {
		return reading{}, err
	}
	times, err := awaits(ctx, r, &returned)
	return reading{tasks: len(times), times: times}, errors.Join(err, stop())
}

func awaits(ctx context.Context, r *rig, returned *atomic.Int64) ([]time.Duration, error) {
	publisher := r.publisher()
	task, err := loadType.New(fullLoad)
	if err != nil {
		return nil, err
	}
	times := []time.Duration{}
	for range r.some() {
		receipt, err := publisher.Publish(ctx, task)
		if err != nil {
			return nil, err
		}
		if _, err := publisher.Await(ctx, receipt.ID, receipt.Run); err != nil {
			return nil, err
		}
		times = append(times, time.Since(time.Unix(0, returned.Load())))
	}
	return times, nil
}
