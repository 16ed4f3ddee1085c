package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sparkle/internal/cli"
	"sparkle/streams"
)

type taskAwait struct {
	ID      string        `arg:"" help:"The task's id."`
	Timeout time.Duration `default:"0s" placeholder:"DURATION" help:"How long to wait; 0s is as long as it takes."`
}

// Run waits for a task; kong calls it.
func (c *taskAwait) Run(ctx context.Context, s *session) error {
	if err := checkID(c.ID); err != nil {
		return err
	}
	if c.Timeout < 0 {
		return cli.Misuse("--timeout: %v is negative", c.Timeout)
	}
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	result, err := c.await(ctx, client)
	if err != nil {
		return err
	}
	return printResult(s.printer(), result.ID, printable(result.Result))
}

func (c *taskAwait) await(ctx context.Context, client *streams.Client) (streams.Result, error) {
	waiting := ctx
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	result, err := client.Await(waiting, c.ID, "")
	if errors.Is(err, context.DeadlineExceeded) && waiting.Err() != nil && ctx.Err() == nil {
		return result, &cli.Fault{
			Code: cli.TimedOut, Err: fmt.Errorf("task %s has not ended within %v", c.ID, c.Timeout),
			Hint: "see how far it is: sparkle task show " + c.ID,
		}
	}
	return result, err
}

// PrintResult prints what a handler returned; with -o name the id alone.
func printResult(p cli.Printer, id string, result any) error {
	if p.Format == cli.Names {
		return p.Line(id)
	}
	return p.Value(result)
}
