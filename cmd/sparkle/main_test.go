package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	sparkle "sparkle/cmd/sparkle"
	"sparkle/internal/cli"
	"sparkle/internal/cli/clitest"
	"sparkle/streams"
	"sparkle/streams/streamstest"
	"sparkle/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, streamstest.KnownLeak()) }

type ping struct {
	N int `json:"n"`
}

// A fleet is a server that the program can reach.
type fleet struct {
	*streamstest.Server
	publisher *streams.Publisher
}

func newFleet(t *testing.T) fleet {
	t.Helper()
	s := streamstest.New(t, streamstest.Options{Listen: "127.0.0.1:0"})
	return fleet{s, streams.NewPublisher(s.Client, streams.PublisherOptions{})}
}

func (f fleet) run(t *testing.T, args ...string) clitest.Result {
	t.Helper()
	return clitest.Run(t, sparkle.Run, f.input(args...))
}

func (f fleet) input(args ...string) clitest.Input {
	return clitest.Input{Args: args, Env: map[string]string{"SPARKLE_NATS_URL": f.URL()}}
}

const hostile = "no \x1b[31mluck\x1b[0m\u202e, \u009b2Jsorry"

// Types have a way to each state: ok, bad (dead at once), flaky (dead after two
// attempts), later (retried in an hour), slow (runs until release), panics.
func types(c *streams.Client, release <-chan struct{}) *tasks.Registry {
	r := cli.Handled(c)
	handle := func(name string, retry tasks.Retry, fn func(context.Context, ping) (ping, error)) {
		tasks.Handle(r, tasks.Type[ping, ping]{Name: name, Retry: retry}, fn)
	}
	handle("ok", tasks.Retry{}, func(_ context.Context, in ping) (ping, error) { return ping{in.N + 1}, nil })
	handle("bad", tasks.Retry{}, func(context.Context, ping) (ping, error) { return ping{}, tasks.Permanent(errors.New(hostile)) })
	handle("flaky", tasks.Retry{Attempts: 2, Base: time.Millisecond}, func(context.Context, ping) (ping, error) {
		return ping{}, errors.New("no luck")
	})
	handle("later", tasks.Retry{}, func(context.Context, ping) (ping, error) {
		return ping{}, tasks.RetryAfter(time.Hour, errors.New("too busy"))
	})
	handle("panics", tasks.Retry{Attempts: 1}, func(context.Context, ping) (ping, error) { panic("\x1b[31mboom") })
	handle("slow", tasks.Retry{}, func(ctx context.Context, in ping) (ping, error) {
		tasks.Progress(ctx, 0.4, "page 40/100")
		select {
		case <-release:
			return ping{in.N + 1}, nil
		case <-ctx.Done():
			return ping{}, ctx.Err()
		}
	})
	return r
}

// Work runs a worker called w1 until the test ends.
func (f fleet) work(t *testing.T, r *tasks.Registry) {
	t.Helper()
	w, err := tasks.NewWorker(tasks.WorkerOptions{
		Source: streams.NewSource(f.Client, streams.SourceOptions{}), Registry: r, Name: "w1", Grace: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- w.Run(ctx) }()
	go func() { ended <- streams.NewController(f.Client, streams.ControllerOptions{Worker: w}).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, <-ended); err != nil {
			t.Errorf("worker ended with %v", err)
		}
	})
}

func (f fleet) publish(t *testing.T, task tasks.Task) {
	t.Helper()
	if task.Payload == nil {
		task.Payload = json.RawMessage(`{"n":1}`)
	}
	if _, err := f.publisher.Publish(t.Context(), task); err != nil {
		t.Fatal(err)
	}
}

// Settle waits until the task is in a state.
func (f fleet) settle(t *testing.T, id string, state tasks.State) {
	t.Helper()
	clitest.Eventually(t, id+" is "+string(state), func() bool {
		info, err := f.Client.Task(t.Context(), id)
		return err == nil && info.State == state && (state != tasks.Running || info.Progress != nil)
	})
}

// Populate publishes a task for each state, one after the other.
func (f fleet) populate(t *testing.T) {
	t.Helper()
	for _, row := range []struct {
		task  tasks.Task
		state tasks.State
	}{
		{tasks.Task{Type: "ok", ID: "ok-1", User: "ann"}, tasks.Succeeded},
		{tasks.Task{Type: "bad", ID: "bad-1", Priority: tasks.High}, tasks.Dead},
		{tasks.Task{Type: "flaky", ID: "flaky-1"}, tasks.Dead},
		{tasks.Task{Type: "later", ID: "later-1"}, tasks.Retrying},
		{tasks.Task{Type: "slow", ID: "slow-1", Priority: tasks.Low}, tasks.Running},
		{tasks.Task{Type: "unknown", ID: "parked-1"}, tasks.Parked},
		{tasks.Task{Type: "ok", ID: "due-1", At: time.Now().Add(30 * time.Minute)}, tasks.Scheduled},
		{tasks.Task{Type: "ok", ID: "gpu-1", Pool: "gpu", User: "r\u202eevil"}, tasks.Waiting},
	} {
		f.publish(t, row.task)
		f.settle(t, row.task.ID, row.state)
	}
}

// Formats are those of -o.
func formats() []string { return []string{"table", "json", "jsonl", "name"} }
