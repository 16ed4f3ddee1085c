package streams_test

import (
	"context"
	"errors"
	"fmt"

	"sparkle/streams"
	"sparkle/tasks"
)

// An invoice and its reminder are stored together, or neither is.
func ExamplePublisher_PublishBatch() {
	ctx := context.Background()
	client, stop, err := local(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	p := streams.NewPublisher(client, streams.PublisherOptions{})
	batch := []tasks.Task{{Type: "invoice", ID: "invoice-7"}, {Type: "remind", ID: "remind-7"}}
	receipts, err := p.PublishBatch(ctx, batch)
	fmt.Println(len(receipts), "stored:", err)

	batch[0].ID = "invoice-8"
	_, err = p.PublishBatch(ctx, batch)
	var refused *streams.BatchError
	if errors.As(err, &refused) {
		fmt.Println("nothing stored, for task", refused.Index, "is waiting:", errors.Is(err, streams.ErrWaiting))
	}
	// Output:
	// 2 stored: <nil>
	// nothing stored, for task 1 is waiting: true
}

func ExamplePublisher_Bulk() {
	ctx := context.Background()
	client, stop, err := local(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	p := streams.NewPublisher(client, streams.PublisherOptions{})
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
	// Output:
	// item 9999 is waiting: true
	// 9999 stored: <nil>
}
