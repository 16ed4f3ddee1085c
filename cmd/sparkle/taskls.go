package main

import (
	"context"
	"fmt"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

type taskLs struct {
	State tasks.State `enum:"scheduled,waiting,running,returned,retrying,parked,held,succeeded,dead,cancelled,expired," default:"" placeholder:"STATE" help:"Tasks in this state: scheduled, waiting, running, returned, retrying, parked, held, succeeded, dead, cancelled or expired."`
	taskFilter
	Limit int `default:"100" placeholder:"N" help:"At most so many tasks."`
}

// Run lists tasks; kong calls it.
func (c *taskLs) Run(ctx context.Context, s *session) error {
	if err := checkLimit(c.Limit); err != nil {
		return err
	}
	filter, err := c.list(c.State)
	if err != nil {
		return err
	}
	filter.Limit = c.Limit
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	list, err := client.Tasks(ctx, filter)
	if err != nil {
		return err
	}
	for i := range list {
		list[i].Payload, list[i].Result = printable(list[i].Payload), printable(list[i].Result)
	}
	s.noteEmpty(len(list), "no task matches")
	s.noteLimit(len(list), c.Limit)
	p := s.printer()
	return taskList(p, list).Print(p)
}

func taskList(p cli.Printer, list []streams.TaskInfo) cli.List[streams.TaskInfo] {
	type info = streams.TaskInfo
	return cli.List[info]{
		Items: list,
		Name:  func(t info) string { return t.ID },
		Columns: []cli.Column[info]{
			{Title: "id", Cell: func(t info) string { return t.ID }},
			{Title: "type", Cell: func(t info) string { return t.Type }},
			{Title: "queue", Cell: func(t info) string { return string(t.Priority) + "-" + t.Pool }},
			{Title: "state", Cell: func(t info) string { return string(t.State) }, Paint: func(t info) cli.Color { return paint(t.State) }},
			{Title: "lost", Cell: func(t info) string { return fmt.Sprint(t.Lost) }, Right: true},
			{Title: "age", Cell: func(t info) string { return p.Since(t.Since) }, Right: true},
			{Title: "user", Cell: func(t info) string { return cli.Clip(t.User, 24) }},
			{Title: "error", Cell: func(t info) string { return cli.Clip(t.Error, 60) }},
		},
	}
}

const maxLimit = 100_000

func checkLimit(limit int) error {
	if limit < 1 || limit > maxLimit {
		return cli.Misuse("--limit: %d is not within 1 to %d", limit, maxLimit)
	}
	return nil
}

// NoteEmpty says for people why a table shows nothing.
func (s *session) noteEmpty(n int, why string) {
	if n == 0 && s.flags.Output.Output == cli.Table {
		s.say("%s", why)
	}
}

func (s *session) noteLimit(n, limit int) {
	if n >= limit {
		s.say("cut off at --limit %d", limit)
	}
}
