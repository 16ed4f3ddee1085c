// Command sparkle shows what a fleet does and steers it: tasks, queues, dead
// letters, workers, types and usage. It checks the whole of it, and puts the
// topology in place.
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
	var f flags
	s := &session{flags: &f, std: std}
	defer s.close()
	return cli.Program{
		Name: "sparkle",
		Description: "Show and steer tasks, queues, dead letters and workers; show types and usage; check all of it. " +
			"Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 conflict, 5 time-out, 6 the task failed.",
		Grammar: &f,
	}.Run(ctx, std, s)
}

// Flags are the program's command line.
type flags struct {
	Task struct {
		Show   taskShow   `cmd:"" aliases:"info" help:"Show a task: its state, attempts, progress and result."`
		Ls     taskLs     `cmd:"" aliases:"list" help:"List tasks: those that have not ended, oldest first, then the ended ones."`
		Await  taskAwait  `cmd:"" help:"Wait for the end of a task and print its result."`
		Tail   taskTail   `cmd:"" help:"Print the events of a task, and new ones as they come, until its end."`
		Result taskResult `cmd:"" help:"Print the result of a task; --out fetches its picture."`
		Cancel taskCancel `cmd:"" help:"Cancel tasks, by id or all that the flags choose: waiting, delayed or running."`
		Retry  taskRetry  `cmd:"" help:"Make a task due now that is scheduled, retrying or parked."`
	} `cmd:"" aliases:"tasks" help:"Tasks."`
	Queue struct {
		Ls     queueLs     `cmd:"" aliases:"list" help:"List the queues: how much waits, runs, is scheduled, is dead."`
		Pause  queuePause  `cmd:"" help:"Pause the queues of a priority or pool, or a type: its tasks wait."`
		Resume queueResume `cmd:"" help:"End a pause."`
		Pauses queuePauses `cmd:"" help:"List what is paused, by whom, why and until when."`
		Purge  queuePurge  `cmd:"" help:"Cancel the tasks of a queue that were not started."`
	} `cmd:"" aliases:"queues" help:"Queues."`
	Dead struct {
		Ls     deadLs     `cmd:"" aliases:"list" help:"List the dead letters, newest first."`
		Show   deadShow   `cmd:"" aliases:"info" help:"Show the newest dead letter of a task."`
		Replay deadReplay `cmd:"" help:"Run dead tasks again: the newest letter of an ID, or all that match; a replayed letter is deleted."`
		Rm     deadRm     `cmd:"" aliases:"remove" help:"Remove the dead letters of an ID, or all that match, for good."`
		Export deadExport `cmd:"" help:"Write dead letters as JSON, one a line, with everything that import needs."`
		Import deadImport `cmd:"" help:"Store exported dead letters again; those that are there already are left as they are."`
	} `cmd:"" help:"Dead letters: tasks that were given up."`
	Worker struct {
		Ls     workerLs     `cmd:"" aliases:"list" help:"List the workers that answer."`
		Scale  workerScale  `cmd:"" help:"Give a worker, or all, more or fewer slots while it runs."`
		Drain  workerDrain  `cmd:"" help:"Let a worker, or all, take no more tasks; running ones end and the process stays."`
		Resume workerResume `cmd:"" help:"Let a drained worker, or all, take tasks again."`
	} `cmd:"" aliases:"workers" help:"Workers."`
	Type struct {
		Ls   typeLs   `cmd:"" aliases:"list" help:"List the types that workers have announced, each version."`
		Show typeShow `cmd:"" aliases:"info" help:"Show what a worker has announced of a type, with the schema of its payload."`
		Rm   typeRm   `cmd:"" help:"Remove what workers have announced of a type that nobody runs any more."`
	} `cmd:"" aliases:"types" help:"Types that workers have announced."`
	Usage struct {
		Show usageShow `cmd:"" aliases:"info" help:"Show the tokens and the cost of a user, by model and day."`
	} `cmd:"" help:"Usage of language models."`
	Topology struct {
		Plan  topologyPlan  `cmd:"" help:"Show how the server differs from the topology, and change nothing. Exit code 0: not at all; 4: it differs."`
		Apply topologyApply `cmd:"" help:"Put the topology in place, and show what was changed."`
	} `cmd:"" help:"Topology: the streams, buckets and consumers of a namespace."`
	Doctor      doctor  `cmd:"" help:"Check the server, the streams, the workers and every queue from end to end. Exit code 0: no check failed; 1: one did."`
	Demo        demo    `cmd:"" help:"Run a sample of every type in this process, without a network, and show the results."`
	Bench       bench   `cmd:"" help:"Measure what the task layer costs beside the plain NATS client, on a server of its own; --nats-url names another."`
	VersionLong version `cmd:"" name:"version" help:"Print what was built."`

	cli.Output
	cli.Shared
}
