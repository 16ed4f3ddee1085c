package streams_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"sparkle/embedded"
	"sparkle/streams"
	"sparkle/tasks"
)

// WithPublisher calls do with a publisher on a server of its own.
func withPublisher(do func(context.Context, *streams.Publisher)) {
	ctx := context.Background()
	store, err := os.MkdirTemp("", "sparkle")
	must(err)
	defer func() { _ = os.RemoveAll(store) }()
	server, err := embedded.New(embedded.Options{Store: store})
	must(err)
	defer func() { _ = server.Close() }()
	nc, err := server.Connect()
	must(err)
	defer nc.Close()
	client, err := streams.NewClient(nc, "")
	must(err)
	_, err = client.Ensure(ctx, streams.Topology{})
	must(err)
	do(ctx, streams.NewPublisher(client, streams.PublisherOptions{}))
}

// An invoice and its reminder are stored together, or neither is.
func ExamplePublisher_PublishBatch() {
	withPublisher(func(ctx context.Context, p *streams.Publisher) {
		batch := []tasks.Task{{Type: "invoice", ID: "invoice-7"}, {Type: "remind", ID: "remind-7"}}
		receipts, err := p.PublishBatch(ctx, batch)
		fmt.Println(len(receipts), "stored:", err)

		batch[0].ID = "invoice-8"
		_, err = p.PublishBatch(ctx, batch)
		var refused *streams.BatchError
		if errors.As(err, &refused) {
			fmt.Println("nothing stored, for task", refused.Index, "is waiting:", errors.Is(err, streams.ErrWaiting))
		}
	})
	// Output:
	// 2 stored: <nil>
	// nothing stored, for task 1 is waiting: true
}

func ExamplePublisher_Bulk() {
	withPublisher(func(ctx context.Context, p *streams.Publisher) {
		users := func(yield func(streams.BulkTask) bool) {
			for i := range 10_000 {
				task := tasks.Task{Type: "greet", ID: fmt.Sprintf("user-%d", i%9_999)}
				if !yield(streams.BulkTask{Tag: i, Task: task}) {
					return
				}
			}
		}
		report, err := p.Bulk(ctx, streams.BulkOptions{Outcome: func(o streams.BulkOutcome) {
			if o.Err != nil {
				fmt.Println("item", o.Tag, "is waiting:", errors.Is(o.Err, streams.ErrWaiting))
			}
		}}, users)
		fmt.Println(report.Stored, "stored:", err)
	})
	// Output:
	// item 9999 is waiting: true
	// 9999 stored: <nil>
}
