package streams_test

import (
	"context"
	"errors"
	"fmt"

	"sparkle/streams"
	"sparkle/tasks"
)

var halve = tasks.Type[number, number]{Name: "halve"}

// A task dies of its payload, which is mended and runs again.
func ExampleReplayer() {
	ctx := context.Background()
	client, stop, err := local(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	if err := whileHalving(ctx, client, mend); err != nil {
		fmt.Println(err)
	}
	// Output:
	// dead of permanent: 7 is odd
	// replayed: {"n":4}
}

// Mend publishes a task that dies, and replays its letter with another payload.
func mend(ctx context.Context, client *streams.Client) error {
	publisher := streams.NewPublisher(client, streams.PublisherOptions{})
	receipt, err := publisher.Publish(ctx, tasks.Task{Type: "halve", ID: "seven", Payload: []byte(`{"n":7}`)})
	if err != nil {
		return err
	}
	end, err := client.Await(ctx, receipt.ID, receipt.Run)
	var failed *streams.FailedError
	if !errors.As(err, &failed) {
		return err
	}
	fmt.Printf("%s of %s: %s\n", end.State, end.Reason, end.Error)

	edit, err := streams.ParseSet("payload.n=8")
	if err != nil {
		return err
	}
	replayer := streams.NewReplayer(publisher, streams.ReplayOptions{Edits: []streams.Edit{edit}, By: "ann"})
	run := ""
	for run == "" { // the letter is stored right after the event that Await returned
		err := replayer.ReplayAll(ctx, streams.DeadFilter{ID: "seven"}, func(r streams.ReplayResult) { run = r.Run })
		if err != nil {
			return err
		}
	}
	end, err = client.Await(ctx, "seven", run)
	fmt.Printf("replayed: %s\n", end.Result)
	return err
}

func whileHalving(ctx context.Context, client *streams.Client, do func(context.Context, *streams.Client) error) error {
	var registry tasks.Registry
	tasks.Handle(&registry, halve, func(_ context.Context, in number) (number, error) {
		if in.N%2 == 1 {
			return in, tasks.Permanent(fmt.Errorf("%d is odd", in.N))
		}
		return number{N: in.N / 2}, nil
	})
	worker, err := tasks.NewWorker(tasks.WorkerOptions{Source: streams.NewSource(client, streams.SourceOptions{}), Registry: &registry})
	if err != nil {
		return err
	}
	working, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(working) }()
	err = do(ctx, client)
	stop()
	return errors.Join(err, <-ended)
}
