package streams_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rs/zerolog"

	"sparkle/embedded"
	"sparkle/streams"
	"sparkle/tasks"
)

// Local starts a server in this process, and returns a client of it.
func local(ctx context.Context) (client *streams.Client, stop func(), err error) {
	store, err := os.MkdirTemp("", "sparkle-example-*")
	if err != nil {
		return nil, nil, err
	}
	server, err := embedded.New(embedded.Options{Store: store, Logger: zerolog.Nop()})
	if err != nil {
		return nil, nil, err
	}
	nc, err := server.Connect()
	if err != nil {
		return nil, nil, err
	}
	stop = func() {
		nc.Close()
		_ = server.Close()
		_ = os.RemoveAll(store)
	}
	if client, err = streams.NewClient(nc, ""); err == nil {
		_, err = client.Ensure(ctx, streams.Topology{})
	}
	return client, stop, err
}

// A task is cancelled before its time; whoever awaits it is told by whom and why.
func ExampleClient_Cancel() {
	ctx := context.Background()
	client, stop, err := local(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	publisher := streams.NewPublisher(client, streams.PublisherOptions{})
	task := tasks.Task{Type: "send_report", ID: "may", At: time.Now().Add(time.Hour)}
	if _, err := publisher.Publish(ctx, task); err != nil {
		fmt.Println(err)
		return
	}

	cancelled, err := client.Cancel(ctx, "may", tasks.CancelOptions{By: "ann", Reason: "wrong month"})
	fmt.Println(cancelled.ID, cancelled.Again, err)

	_, err = client.Await(ctx, "may", "")
	fmt.Println(err)
	_, err = client.Cancel(ctx, "june", tasks.CancelOptions{})
	fmt.Println(errors.Is(err, streams.ErrNotFound))
	// Output:
	// may false <nil>
	// task may is cancelled by ann: wrong month
	// true
}

// The queues of a priority are paused, and one of them is still listed as such.
func ExampleClient_Pause() {
	ctx := context.Background()
	client, stop, err := local(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	low := streams.PauseTarget{Priority: tasks.Low}
	if _, err := client.Pause(ctx, low, streams.PauseOptions{By: "ann", Reason: "the provider is down"}); err != nil {
		fmt.Println(err)
		return
	}
	pauses, err := client.Pauses(ctx)
	for _, p := range pauses {
		fmt.Printf("%s, by %s: %s\n", p.PauseTarget, p.By, p.Reason)
	}
	fmt.Println(err)
	_, err = client.Resume(ctx, low)
	fmt.Println(err)
	// Output:
	// priority low, by ann: the provider is down
	// <nil>
	// <nil>
}
