package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sparkle/internal/cli"
	"sparkle/tasks"
)

type workerLs struct {
	Within time.Duration `default:"500ms" placeholder:"DURATION" help:"How long to collect answers."`
}

// Run lists the workers; kong calls it.
func (c *workerLs) Run(ctx context.Context, s *session) error {
	if c.Within <= 0 || c.Within > time.Minute {
		return cli.Misuse("--within: %v is not within 1ms to 1m", c.Within)
	}
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	workers, err := client.Workers(ctx, c.Within)
	if err != nil {
		return err
	}
	s.noteEmpty(len(workers), "no worker answers; start one with: consumer")
	p := s.printer()
	return workerList(p, workers).Print(p)
}

func workerList(p cli.Printer, workers []tasks.WorkerStats) cli.List[tasks.WorkerStats] {
	type stats = tasks.WorkerStats
	return cli.List[stats]{
		Items: workers,
		Name:  func(w stats) string { return w.Name },
		Columns: []cli.Column[stats]{
			{Title: "name", Cell: func(w stats) string { return w.Name }},
			{Title: "slots", Cell: func(w stats) string { return fmt.Sprint(w.Slots) }, Right: true},
			{Title: "state", Cell: workerState, Paint: func(w stats) cli.Color {
				if w.Draining {
					return cli.Yellow
				}
				return 0
			}},
			{Title: "running", Cell: func(w stats) string { return fmt.Sprint(len(w.Running)) }, Right: true},
			{Title: "leased", Cell: func(w stats) string { return fmt.Sprint(w.Leased) }, Right: true},
			{Title: "longest", Cell: func(w stats) string { return longest(p, w) }, Right: true},
			{Title: "queues", Cell: func(w stats) string { return strings.Join(w.Queues, " ") }},
			{Title: "types", Cell: func(w stats) string { return fmt.Sprint(len(w.Types)) }, Right: true},
		},
	}
}

func workerState(w tasks.WorkerStats) string {
	if w.Draining {
		return "draining"
	}
	return "works"
}

// Longest is how long the task runs that began first.
func longest(p cli.Printer, w tasks.WorkerStats) string {
	if len(w.Running) == 0 {
		return "-"
	}
	return p.Since(w.Running[0].Started)
}
