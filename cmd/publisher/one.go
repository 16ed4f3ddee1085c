package main

import (
	"context"
	"errors"
	"fmt"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

// RunOne publishes one task, and waits for it if asked to.
func (f *flags) runOne(ctx context.Context, std cli.Std, task tasks.Task) error {
	if err := f.check(task); err != nil {
		return err
	}
	publisher, nc, err := f.publisher(ctx, std)
	if err != nil {
		return err
	}
	defer nc.Close()
	receipt, err := publisher.Publish(ctx, task)
	if err != nil {
		return f.advise(ctx, publisher.Client, task, err)
	}
	if f.Wait {
		return f.await(ctx, std, publisher.Client, receipt)
	}
	return cli.Object{Value: receipt, Name: receipt.ID, Page: func(p *cli.Page) { p.Line(receipt.ID) }}.
		Print(f.Printer(std))
}

// Await prints the result of the task; with -o name its id alone.
func (f *flags) await(ctx context.Context, std cli.Std, client *streams.Client, receipt streams.Receipt) error {
	words(std, "published %s to %s-%s, waiting up to %v", receipt.ID, receipt.Priority, receipt.Pool, f.Timeout)
	waiting, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	result, err := client.Await(waiting, receipt.ID, receipt.Run)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return &cli.Fault{
			Code: cli.TimedOut, Err: fmt.Errorf("task %s has not ended within %v", receipt.ID, f.Timeout),
			Hint: "it goes on; wait for it with: sparkle task await " + receipt.ID,
		}
	}
	if err != nil {
		return err
	}
	printer := f.Printer(std)
	if printer.Format == cli.Names {
		return printer.Line(result.ID)
	}
	return printer.Value(result.Result)
}
