// Command publisher publishes one task, or a file of them.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"sparkle/internal/cli"
)

func main() {
	cli.CollectLess()
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, restore) // the next signal ends the process at once
	os.Exit(Run(ctx, cli.Process()))
}

// Run runs the program and returns its exit code.
func Run(ctx context.Context, std cli.Std) int {
	return cli.Program{
		Name: "publisher",
		Description: "Publish a task, or a file of tasks, and print the id. " +
			"Exit codes: 0 ok, 1 error, 2 usage or a refused type or payload, 4 a task of this id has not ended, 5 time-out, 6 the task failed (with --wait).",
		Grammar: &flags{},
	}.Run(ctx, std)
}
