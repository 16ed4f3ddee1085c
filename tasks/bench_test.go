package tasks_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"sparkle/tasks"
)

// BenchmarkWorker measures a task from its publishing to its settled end, with a
// handler that does nothing.
func BenchmarkWorker(b *testing.B) {
	for _, slots := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("slots=%d", slots), func(b *testing.B) {
			memory := tasks.NewMemory(tasks.MemoryOptions{MaxTasks: 1 << 30})
			benchmark(b, tasks.WorkerOptions{Source: memory, Concurrency: slots}, memory.Publish)
		})
	}
}

// BenchmarkDispatch measures the worker alone, from a delivery that costs nothing
// to one Settle that costs nothing.
func BenchmarkDispatch(b *testing.B) {
	supply := make(supply)
	task := func(context.Context, tasks.Task) (string, string, error) {
		supply <- struct{}{}
		return "", "", nil
	}
	benchmark(b, tasks.WorkerOptions{Source: supply, Priorities: []tasks.Priority{tasks.Default}}, task)
}

func benchmark(b *testing.B, o tasks.WorkerOptions, publish func(context.Context, tasks.Task) (string, string, error)) {
	b.Helper()
	b.ReportAllocs()
	var done atomic.Int64
	all := make(chan struct{})
	o.Registry = handling(tasks.Type[note, note]{}, func(context.Context) error {
		if done.Add(1) == int64(b.N) {
			close(all)
		}
		return nil
	})
	worker, err := tasks.NewWorker(o)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- worker.Run(ctx) }()
	task := tasks.Task{Type: "work", Payload: []byte(`{"text":"hi"}`)}
	b.ResetTimer()
	for range b.N {
		if _, _, err := publish(ctx, task); err != nil {
			b.Fatal(err)
		}
	}
	<-all
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

// A supply delivers a task for each element, whatever is wanted, and forgets
// what became of it.
type supply chan struct{}

func (supply) Control(ctx context.Context, _ *tasks.Worker, ready func()) error {
	ready()
	<-ctx.Done()
	return nil
}

func (s supply) Open(ctx context.Context, _ tasks.Queue, deliver func(*tasks.Delivery)) (tasks.Tap, error) {
	go func() {
		task := tasks.Task{Type: "work", ID: "a", Payload: []byte(`{"text":"hi"}`), Priority: tasks.Default, Pool: "main"}
		for {
			select {
			case <-s:
				deliver(&tasks.Delivery{Task: task, Attempt: 1, Lease: s})
			case <-ctx.Done():
				return
			}
		}
	}()
	return s, nil
}

func (supply) Want(int)                                    {}
func (supply) Drain(context.Context) error                 { return nil }
func (supply) Extend(context.Context) error                { return nil }
func (supply) Report(tasks.Report)                         {}
func (supply) Settle(context.Context, tasks.Outcome) error { return nil }

func (supply) Succeed(_ context.Context, _ *tasks.Outcome, then func(error)) { then(nil) }

func BenchmarkMemory(b *testing.B) {
	b.ReportAllocs()
	memory := tasks.NewMemory(tasks.MemoryOptions{})
	settled := make(chan struct{}, 1)
	tap, err := memory.Open(b.Context(), queue, func(d *tasks.Delivery) {
		if err := d.Lease.Settle(context.Background(), tasks.Outcome{State: tasks.Succeeded}); err != nil {
			b.Error(err)
		}
		settled <- struct{}{}
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		tap.Want(1)
		if _, _, err := memory.Publish(b.Context(), tasks.Task{Type: "work"}); err != nil {
			b.Fatal(err)
		}
		<-settled
	}
}
