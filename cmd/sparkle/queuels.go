package main

import (
	"context"
	"fmt"
	"strings"
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
	p := s.printer()
	if err := queueList(p, queues).Print(p); err != nil || p.Format != cli.Table {
		return err
	}
	return s.notePausedTypes(ctx, client)
}

// NotePausedTypes tells what no queue shows.
func (s *session) notePausedTypes(ctx context.Context, client *streams.Client) error {
	pauses, err := client.Pauses(ctx)
	for _, pause := range pauses {
		if pause.Type != "" {
			s.say("%s is paused%s", pause.PauseTarget, untilWhen(s.printer(), pause))
		}
	}
	return err
}

func queueList(p cli.Printer, queues []streams.QueueInfo) cli.List[streams.QueueInfo] {
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
			{Title: "paused", Cell: func(q info) string { return paused(p, q) }, Paint: func(q info) cli.Color {
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

func paused(p cli.Printer, q streams.QueueInfo) string {
	switch {
	case !q.Paused:
		return "-"
	case q.Pause == nil:
		return "paused" // by somebody who told us nothing, such as with the nats command
	default:
		return cli.Clip(strings.TrimSpace("paused"+untilWhen(p, *q.Pause)), 60)
	}
}
