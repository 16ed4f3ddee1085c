package streams_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"sparkle/streams"
	"sparkle/streams/streamstest"
	"sparkle/tasks"
)

type blob struct {
	Data string `json:"data"`
}

var noop = tasks.Type[blob, struct{}]{Name: "noop"}

func noopTask(b *testing.B) tasks.Task {
	b.Helper()
	task, err := noop.New(blob{strings.Repeat("x", 245)})
	if err != nil {
		b.Fatal(err)
	}
	return task
}

// One Publish a time from 8 goroutines, 256-byte payloads.
func BenchmarkPublish(b *testing.B) {
	s := streamstest.New(b, streamstest.Options{})
	var r tasks.Registry
	tasks.Declare(&r, noop)
	p := streams.NewPublisher(s.Client, streams.PublisherOptions{Registry: &r, MaxDepth: -1})
	task := noopTask(b)
	b.SetParallelism(4)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := p.Publish(context.Background(), task); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// A deep queue drained by a no-op handler on 10 slots, events and results on.
func BenchmarkDrain(b *testing.B) {
	s := streamstest.New(b, streamstest.Options{})
	var ran atomic.Int64
	done := make(chan struct{})
	var r tasks.Registry
	tasks.Handle(&r, noop, func(context.Context, blob) (struct{}, error) {
		if ran.Add(1) == int64(b.N) {
			close(done)
		}
		return struct{}{}, nil
	})
	p := streams.NewPublisher(s.Client, streams.PublisherOptions{MaxDepth: -1})
	task := noopTask(b)
	for range b.N {
		if _, err := p.Publish(context.Background(), task); err != nil {
			b.Fatal(err)
		}
	}
	w, err := tasks.NewWorker(tasks.WorkerOptions{Source: streams.NewSource(s.Client, streams.SourceOptions{}), Registry: &r})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	b.ReportAllocs()
	b.ResetTimer()
	go func() { stopped <- w.Run(ctx) }()
	<-done
	b.StopTimer()
	stop()
	if err := <-stopped; err != nil {
		b.Error(err)
	}
}

// Tasks that wait, cancelled by a filter: some hundred in each step.
func BenchmarkCancelMatching(b *testing.B) {
	s := streamstest.New(b, streamstest.Options{})
	p := streams.NewPublisher(s.Client, streams.PublisherOptions{MaxDepth: -1})
	task := noopTask(b)
	for range b.N {
		if _, err := p.Publish(context.Background(), task); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	n, err := s.Client.CancelMatching(context.Background(), streams.ListFilter{Type: "noop"}, streams.MatchingOptions{})
	if n != b.N || err != nil {
		b.Errorf("CancelMatching = %d, %v, want %d", n, err, b.N)
	}
}
