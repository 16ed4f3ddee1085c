package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sparkle/tasks"
)

type Greeting struct {
	Name string `json:"name"`
}

type Answer struct {
	Text string `json:"text"`
}

// Declared once, next to its handler; publishers use the same value.
var Greet = tasks.Type[Greeting, Answer]{Name: "greet", Priority: tasks.High, Timeout: time.Second}

func greet(_ context.Context, in Greeting) (Answer, error) {
	return Answer{Text: "Hello, " + in.Name}, nil
}

// A type is declared, handled and published, and its result read.
func Example() {
	var registry tasks.Registry
	tasks.Handle(&registry, Greet, greet)
	memory := tasks.NewMemory(tasks.MemoryOptions{Registry: &registry})
	worker, err := tasks.NewWorker(tasks.WorkerOptions{Source: memory, Registry: &registry})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error)
	go func() { ended <- worker.Run(ctx) }()

	task, err := Greet.New(Greeting{Name: "Ann"})
	if err != nil {
		fmt.Println(err)
		return
	}
	id, _, err := memory.Publish(ctx, task)
	if err != nil {
		fmt.Println(err)
		return
	}
	end := wait(memory, id)
	answer, err := Greet.Result(end.Outcome.Result)
	fmt.Println(end.State, answer.Text, err)

	stop()
	fmt.Println(<-ended)
	// Output:
	// succeeded Hello, Ann <nil>
	// <nil>
}

// Wait polls for the last event of a task that has ended.
func wait(memory *tasks.Memory, id string) tasks.Event {
	for range time.Tick(time.Millisecond) {
		events := memory.Events(id)
		if n := len(events); n > 0 && events[n-1].State.Terminal() {
			return events[n-1]
		}
	}
	return tasks.Event{}
}

// Run runs one task with a handler of its own and prints its history.
func run(task tasks.Task, handler func(context.Context, Greeting) (Answer, error)) {
	var registry tasks.Registry
	tasks.Handle(&registry, Greet, handler)
	memory := tasks.NewMemory(tasks.MemoryOptions{Registry: &registry})
	worker, err := tasks.NewWorker(tasks.WorkerOptions{Source: memory, Registry: &registry})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error)
	go func() { ended <- worker.Run(ctx) }()
	id, _, err := memory.Publish(ctx, task)
	if err != nil {
		fmt.Println(err)
		return
	}
	wait(memory, id)
	stop()
	if err := <-ended; err != nil {
		fmt.Println(err)
	}
	for _, e := range memory.Events(id) {
		line := fmt.Sprintf("%s, attempt %d", e.State, e.Attempt)
		if e.Outcome.Error != "" {
			line += ": " + e.Outcome.Error
		}
		fmt.Println(line)
	}
}

func ExamplePermanent() {
	run(tasks.Task{Type: "greet", Payload: []byte(`{"name":"Ann"}`)}, func(context.Context, Greeting) (Answer, error) {
		return Answer{}, tasks.Permanent(errors.New("Ann has left"))
	})
	// Output:
	// dead, attempt 1: Ann has left
}

func ExampleSnooze() {
	ready := false
	run(tasks.Task{Type: "greet", Payload: []byte(`{"name":"Ann"}`)}, func(ctx context.Context, in Greeting) (Answer, error) {
		if !ready {
			ready = true
			return Answer{}, tasks.Snooze(time.Millisecond)
		}
		return greet(ctx, in)
	})
	// Output:
	// scheduled, attempt 1
	// succeeded, attempt 1
}

func ExampleRetryAfter() {
	calls := 0
	run(tasks.Task{Type: "greet", Payload: []byte(`{"name":"Ann"}`)}, func(ctx context.Context, in Greeting) (Answer, error) {
		if calls++; calls == 1 {
			return Answer{}, tasks.RetryAfter(time.Millisecond, errors.New("429 Too Many Requests"))
		}
		return greet(ctx, in)
	})
	// Output:
	// retrying, attempt 1: 429 Too Many Requests
	// succeeded, attempt 2
}

func ExampleRegistry_Check() {
	var registry tasks.Registry
	tasks.Declare(&registry, Greet)
	fmt.Println(registry.Check(tasks.Task{Type: "greet", Payload: []byte(`{"title":"Ann"}`)}))
	fmt.Println(registry.Check(tasks.Task{Type: "greet", Payload: []byte(`{"name":7}`)}))
	fmt.Println(registry.Check(tasks.Task{Type: "greed", Payload: []byte(`{}`)}))
	// Output:
	// payload.name: missing
	// payload.name: want string, got number
	// type: unknown type "greed"
}
