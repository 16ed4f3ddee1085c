// Command consumer runs the tasks of a fleet; with --dev it brings its own NATS
// server and is all that is needed.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"sparkle/internal/cli"
)

func main() { start(cli.Handled) }

// Start runs the program with signals and ends the process.
func start(types types) {
	cli.CollectLess()
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, restore) // the next signal ends the process at once
	os.Exit(run(ctx, cli.Process(), types))
}

// Run runs the program until ctx is done and it has drained, and returns its
// exit code.
func Run(ctx context.Context, std cli.Std) int { return run(ctx, std, cli.Handled) }

func run(ctx context.Context, std cli.Std, types types) int {
	return cli.Program{
		Name: "consumer",
		Description: "Run tasks from NATS JetStream. A first SIGTERM or SIGINT drains: no more tasks come, running ones " +
			"have --grace and are then handed back; a second one quits at once.",
		Grammar: &flags{},
	}.Run(ctx, std, types)
}
