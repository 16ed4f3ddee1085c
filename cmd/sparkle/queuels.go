package main

import (
	"context"
	"fmt"
	"time"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

type queueLs struct{}

// Run lists the queues; kong calls it.
func (c *queueLs) Run(ctx context.Context, s *session) error {
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	queues, err := client.Queues(ctx)
	if err != nil {
		return err
	}
	s.noteEmpty(len(queues), "no queue yet; a consumer makes them")
	return queueList(queues).Print(s.printer())
}

func queueList(queues []streams.QueueInfo) cli.List[streams.QueueInfo] {
	type info = streams.QueueInfo
	number := func(title string, n func(info) uint64) cli.Column[info] {
		return cli.Column[info]{Title: title, Right: true, Cell: func(q info) string { return fmt.Sprint(n(q)) }}
	}
	dead := number("dead", func(q info) uint64 { return q.Dead })
	dead.Paint = func(q info) cli.Color {
		if q.Dead > 0 {
			return cli.Red
		}
		return 0
	}
	return cli.List[info]{
		Items: queues,
		Name:  func(q info) string { return tasks.Queue{Priority: q.Priority, Pool: q.Pool}.String() },
		Columns: []cli.Column[info]{
			{Title: "priority", Cell: func(q info) string { return string(q.Priority) }},
			{Title: "pool", Cell: func(q info) string { return q.Pool }},
			number("waiting", func(q info) uint64 { return q.Waiting }),
			number("scheduled", func(q info) uint64 { return q.Scheduled }),
			number("running", func(q info) uint64 { return uint64(q.Running) }),
			{Title: "oldest", Right: true, Cell: oldest},
			dead,
			{Title: "paused", Cell: paused, Paint: func(q info) cli.Color {
				if q.Paused {
					return cli.Yellow
				}
				return 0
			}},
		},
	}
}

// Oldest is the age of the queue's oldest waiting task.
func oldest(q streams.QueueInfo) string {
	if q.Waiting == 0 {
		return "-"
	}
	return cli.Age(time.Duration(q.OldestSeconds * float64(time.Second)))
}

func paused(q streams.QueueInfo) string {
	if q.Paused {
		return "paused"
	}
	return "-"
}
