package reminders

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"sparkle/streams"
	"sparkle/tasks"
)

// Work runs the tasks of pool mail until ctx is done.
func Work(ctx context.Context, nc *nats.Conn, g Gateway) error {
	client, err := streams.NewClient(nc, streams.DefaultNamespace)
	if err != nil {
		return err
	}
	topology := streams.Topology{Pools: []string{tasks.MainPool, Send.Pool}}
	if _, err := client.Ensure(ctx, topology); err != nil {
		return err
	}
	var registry tasks.Registry
	Register(&registry, g)
	worker, err := tasks.NewWorker(tasks.WorkerOptions{
		Source:   streams.NewSource(client, streams.SourceOptions{Topology: topology}),
		Registry: &registry,
		Pools:    []string{Send.Pool},
	})
	if err != nil {
		return err
	}
	mover := streams.NewMover(client, streams.MoverOptions{})
	var moving sync.WaitGroup
	defer moving.Wait()
	moving.Go(func() { _ = mover.Run(ctx) }) // its answer is always nil
	return worker.Run(ctx)
}

// Remind publishes a task, at most one at a time for each course, and returns its
// id. A course whose last reminder has not ended answers [streams.ErrWaiting].
func Remind(ctx context.Context, p *streams.Publisher, in Reminder) (string, error) {
	task, err := Send.New(in)
	if err != nil {
		return "", err // the field that is wrong
	}
	task.ID = "reminder-" + in.Course
	task.Expires = time.Now().Add(6 * time.Hour) // later it would be of no use
	receipt, err := p.Publish(ctx, task)
	return receipt.ID, err
}
