package streams_test

import (
	"context"
	"fmt"
	"os"

	"sparkle/embedded"
	"sparkle/streams"
	"sparkle/tasks"
)

// ExampleServer is a server of the example's own.
func exampleServer() (*streams.Client, func()) {
	dir, err := os.MkdirTemp("", "sparkle-example-*")
	must(err)
	server, err := embedded.New(embedded.Options{Store: dir})
	must(err)
	nc, err := server.Connect()
	must(err)
	client, err := streams.NewClient(nc, "")
	must(err)
	return client, func() {
		nc.Close()
		_ = server.Close()
		_ = os.RemoveAll(dir)
	}
}

// Plan says what Ensure would do, and does nothing.
func ExampleClient_Plan() {
	client, stop := exampleServer()
	defer stop()
	ctx := context.Background()
	changes, err := client.Plan(ctx, streams.Topology{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(changes), "changes, the first:", changes[0])
	if _, err := client.Ensure(ctx, streams.Topology{}); err != nil {
		fmt.Println(err)
		return
	}
	changes, err = client.Plan(ctx, streams.Topology{AckWait: 20e9})
	fmt.Println(len(changes), "changes, the first:", changes[0], err)
	// Output:
	// 11 changes, the first: stream SPARKLE_TASKS created
	// 3 changes, the first: consumer high-main updated: AckWait: 12s → 20s <nil>
}

// A probe tells how far a task comes.
func ExampleCheckup_Probe() {
	client, stop := exampleServer()
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if _, err := client.Ensure(ctx, streams.Topology{}); err != nil {
		fmt.Println(err)
		return
	}
	worker, err := tasks.NewWorker(tasks.WorkerOptions{
		Source: streams.NewSource(client, streams.SourceOptions{}), Registry: new(tasks.Registry), Name: "w1",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error)
	go func() { ended <- worker.Run(ctx) }()
	checkup := streams.NewCheckup(client, streams.CheckupOptions{})
	facts := checkup.Probe(ctx, tasks.Queue{Priority: tasks.High, Pool: tasks.MainPool})
	fmt.Println(facts.End, "on", facts.Worker)
	cancel()
	fmt.Println(<-ended)
	// Output:
	// ran on w1
	// <nil>
}
