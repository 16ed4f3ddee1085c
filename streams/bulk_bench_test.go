package streams_test

import (
	"context"
	"iter"
	"strconv"
	"testing"

	"sparkle/streams"
	"sparkle/streams/streamstest"
	"sparkle/tasks"
)

func copies(n int, task tasks.Task, id func(int) string) iter.Seq[streams.BulkTask] {
	return func(yield func(streams.BulkTask) bool) {
		for i := range n {
			task.ID = id(i)
			if !yield(streams.BulkTask{Tag: i, Task: task}) {
				return
			}
		}
	}
}

func made(int) string { return "" }

func chosen(i int) string { return "own-" + strconv.Itoa(i) }

func benchmarkBulk(b *testing.B, id func(int) string) {
	b.Helper()
	s := streamstest.New(b, streamstest.Options{})
	var r tasks.Registry
	tasks.Declare(&r, noop)
	p := streams.NewPublisher(s.Client, streams.PublisherOptions{Registry: &r, MaxDepth: -1})
	task := noopTask(b)
	b.ReportAllocs()
	b.ResetTimer()
	report, err := p.Bulk(context.Background(), streams.BulkOptions{}, copies(b.N, task, id))
	if err != nil || report.Stored != b.N {
		b.Errorf("Bulk = %+v, %v, want %d stored", report, err, b.N)
	}
}

// One bulk, 256-byte payloads, ids of our own.
func BenchmarkBulk(b *testing.B) { benchmarkBulk(b, made) }

// One bulk, 256-byte payloads, ids of the caller, each guarded.
func BenchmarkBulkGuarded(b *testing.B) { benchmarkBulk(b, chosen) }

// Atomic batches of 100, 256-byte payloads; an operation is one task.
func BenchmarkBatch(b *testing.B) {
	s := streamstest.New(b, streamstest.Options{})
	var r tasks.Registry
	tasks.Declare(&r, noop)
	p := streams.NewPublisher(s.Client, streams.PublisherOptions{Registry: &r, MaxDepth: -1})
	const size = 100
	batch := make([]tasks.Task, size)
	for i := range batch {
		batch[i] = noopTask(b)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for left := b.N; left > 0; left -= size {
		if _, err := p.PublishBatch(context.Background(), batch[:min(left, size)]); err != nil {
			b.Fatal(err)
		}
	}
}
