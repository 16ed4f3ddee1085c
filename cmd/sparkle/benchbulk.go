package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"sparkle/streams"
	"sparkle/tasks"
)

// BulkLoad publishes all tasks as one stream, with ids of ours or, guarded, with ids
// that the caller chose.
func bulkLoad(guarded bool) measurement {
	return func(ctx context.Context, r *rig) (reading, error) {
		task, err := loadType.New(fullLoad)
		if err != nil {
			return reading{}, err
		}
		begun := time.Now()
		report, err := r.publisher().Bulk(ctx, streams.BulkOptions{}, r.copies(task, guarded))
		if err == nil && report.Stored != r.Tasks {
			err = fmt.Errorf("%d of %d tasks were stored", report.Stored, r.Tasks)
		}
		return reading{tasks: r.Tasks, took: time.Since(begun)}, err
	}
}

func (r *rig) copies(task tasks.Task, guarded bool) iter.Seq[streams.BulkTask] {
	return func(yield func(streams.BulkTask) bool) {
		for i := range r.Tasks {
			if guarded {
				task.ID = fmt.Sprintf("bench-%d", i)
			}
			if !yield(streams.BulkTask{Tag: i, Task: task}) {
				return
			}
		}
	}
}

// Batch publishes atomic batches of the largest size.
func batch(ctx context.Context, r *rig) (reading, error) {
	publisher := r.publisher()
	task, err := loadType.New(fullLoad)
	if err != nil {
		return reading{}, err
	}
	list := make([]tasks.Task, streams.MaxBatch)
	for i := range list {
		list[i] = task
	}
	begun := time.Now()
	for left := r.Tasks; left > 0 && err == nil; left -= len(list) {
		_, err = publisher.PublishBatch(ctx, list[:min(left, len(list))])
	}
	return reading{tasks: r.Tasks, took: time.Since(begun)}, err
}

func floorBatch(ctx context.Context, r *rig) (reading, error) {
	data := bytes.Repeat([]byte("x"), loadSize)
	begun := time.Now()
	for left := r.Tasks; left > 0; left -= streams.MaxBatch {
		messages := make([]*nats.Msg, min(left, streams.MaxBatch))
		for i := range messages {
			messages[i] = nats.NewMsg(r.floorSubject())
			messages[i].Data = data
		}
		if _, err := jetstreamext.PublishMsgBatch(ctx, r.js, messages); err != nil {
			return reading{}, err
		}
	}
	return reading{tasks: r.Tasks, took: time.Since(begun)}, nil
}

func floorBulk(ctx context.Context, r *rig) (reading, error) {
	data := bytes.Repeat([]byte("x"), loadSize)
	begun := time.Now()
	publisher, err := jetstreamext.NewFastPublisher(r.js)
	if err != nil {
		return reading{}, err
	}
	for range r.Tasks {
		if _, err := publisher.Add(r.floorSubject(), data); err != nil {
			return reading{}, err
		}
	}
	ack, err := publisher.Close(ctx)
	if err == nil && ack.BatchSize != uint64(r.Tasks) {
		err = errors.New("not all messages were stored")
	}
	return reading{tasks: r.Tasks, took: time.Since(begun)}, err
}
