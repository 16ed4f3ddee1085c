package docs_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"sparkle/embedded"
	"sparkle/streams"
	"sparkle/tasks"
)

type Greeting struct {
	Name string `json:"name"`
}

type Answer struct {
	Text string `json:"text"`
}

// Declared once; who publishes, who handles and who reads the result use it.
var Greet = tasks.Type[Greeting, Answer]{Name: "greet", Priority: tasks.High}

func work(ctx context.Context, client *streams.Client) error {
	var registry tasks.Registry
	tasks.Handle(&registry, Greet, func(_ context.Context, in Greeting) (Answer, error) {
		return Answer{Text: "Hello, " + in.Name}, nil
	})
	source := streams.NewSource(client, streams.SourceOptions{})
	worker, err := tasks.NewWorker(tasks.WorkerOptions{Source: source, Registry: &registry})
	if err != nil {
		return err
	}
	return worker.Run(ctx) // until ctx is done and the running tasks have ended
}

func ask(ctx context.Context, client *streams.Client, name string) (Answer, error) {
	task, err := Greet.New(Greeting{Name: name})
	if err != nil {
		return Answer{}, err
	}
	publisher := streams.NewPublisher(client, streams.PublisherOptions{})
	receipt, err := publisher.Publish(ctx, task) // stored when it returns
	if err != nil {
		return Answer{}, err
	}
	end, err := client.Await(ctx, receipt.ID, receipt.Run)
	if err != nil {
		return Answer{}, err
	}
	return Greet.Result(end.Result)
}

// The code of the README, on a server in this process.
func Example() {
	if err := greetOnce(); err != nil {
		fmt.Println(err)
	}
	// Output: Hello, Ann
}

func greetOnce() error {
	store, err := os.MkdirTemp("", "sparkle")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(store) }()
	server, err := embedded.New(embedded.Options{Store: store})
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	nc, err := server.Connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	client, err := streams.NewClient(nc, streams.DefaultNamespace)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	if _, err := client.Ensure(ctx, streams.Topology{}); err != nil {
		return err
	}
	worked := make(chan error, 1)
	go func() { worked <- work(ctx, client) }()
	answer, err := ask(ctx, client, "Ann")
	if err != nil {
		return err
	}
	fmt.Println(answer.Text)
	stop()
	return <-worked
}
