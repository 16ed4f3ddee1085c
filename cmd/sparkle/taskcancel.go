package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

type taskCancel struct {
	IDs    []string    `arg:"" optional:"" name:"id" help:"The tasks' ids; or choose tasks by the flags."`
	OfRun  string      `name:"run" placeholder:"RUN" help:"Only if the id has this run; with one id."`
	Reason string      `placeholder:"TEXT" help:"Why, for people; at most 256 bytes."`
	DryRun bool        `help:"Change nothing; say how many tasks there are."`
	State  tasks.State `enum:"scheduled,waiting,running,returned,retrying,parked,held," default:"" placeholder:"STATE" help:"Tasks in this state: scheduled, waiting, running, returned, retrying, parked or held."`
	taskFilter
	cli.By
	cli.Force
}

// Run cancels tasks; kong calls it.
func (c *taskCancel) Run(ctx context.Context, s *session) error {
	chosen := c.State != "" || c.taskFilter != taskFilter{}
	switch {
	case len(c.IDs) == 0 && !chosen:
		return cli.Misuse("want ids, or flags that choose tasks such as --type or --state")
	case len(c.IDs) > 0 && chosen:
		return cli.Misuse("ids and flags that choose tasks exclude each other")
	case c.OfRun != "" && len(c.IDs) != 1:
		return cli.Misuse("--run: goes with one id")
	}
	for _, id := range c.IDs {
		if err := checkID(id); err != nil {
			return err
		}
	}
	filter, err := c.list(c.State)
	if err != nil {
		return err
	}
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	if len(c.IDs) == 0 {
		return s.cancelMatching(ctx, client, bulk{
			filter: filter, options: streams.MatchingOptions{By: c.Name(), Reason: c.Reason},
			dryRun: c.DryRun, force: c.Force.Force, verb: "cancel",
		})
	}
	return c.each(ctx, s, client)
}

// Each cancels the ids that were named, prints what was done, and goes on after
// one that cannot be cancelled.
func (c *taskCancel) each(ctx context.Context, s *session, client *streams.Client) error {
	var done []streams.Cancelled
	var failed error
	for _, id := range c.IDs {
		if c.DryRun {
			t, err := client.Task(ctx, id)
			failed = first(failed, err)
			if err == nil {
				s.say("task %s would be cancelled: it is %s", id, t.State)
			}
			continue
		}
		one, err := client.Cancel(ctx, id, tasks.CancelOptions{Run: c.OfRun, By: c.Name(), Reason: c.Reason})
		if err == nil {
			done = append(done, one)
			continue
		}
		if failed != nil {
			s.say("%v", err) // the first is told at the end
		}
		failed = first(failed, err)
	}
	return errors.Join(cancelledList(done).Print(s.printer()), failed)
}

func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func cancelledList(done []streams.Cancelled) cli.List[streams.Cancelled] {
	type one = streams.Cancelled
	return cli.List[one]{
		Items: done,
		Name:  func(c one) string { return c.ID },
		Columns: []cli.Column[one]{
			{Title: "id", Cell: func(c one) string { return c.ID }},
			{Title: "run", Cell: func(c one) string { return c.Run }},
			{Title: "type", Cell: func(c one) string { return c.Type }},
			{Title: "was", Cell: func(c one) string {
				switch {
				case c.Again:
					return "cancelled already"
				case c.Worker != "":
					return "taken by " + c.Worker
				default:
					return "not started"
				}
			}},
		},
	}
}

// A bulk is a cancellation of all tasks that match.
type bulk struct {
	filter  streams.ListFilter
	options streams.MatchingOptions
	dryRun  bool
	force   bool
	verb    string // cancel or purge
	word    string // to be typed; default: how many there are
}

// A bulkResult is what programs get.
type bulkResult struct {
	Count  int  `json:"count"`
	DryRun bool `json:"dry_run"`
}

// CancelMatching counts, asks, and cancels.
func (s *session) cancelMatching(ctx context.Context, client *streams.Client, b bulk) error {
	counting := b.options
	counting.DryRun = true
	count, err := client.CancelMatching(ctx, b.filter, counting)
	if err != nil {
		return err
	}
	if !b.dryRun && count > 0 {
		if b.word == "" {
			b.word = fmt.Sprint(count)
		}
		if err := s.std.Confirm(fmt.Sprintf("%s %d tasks", b.verb, count), b.word, b.force); err != nil {
			return err
		}
		told := time.Now()
		b.options.Progress = func(n int) {
			if time.Since(told) > time.Second {
				told = time.Now()
				s.say("%d tasks so far", n)
			}
		}
		if count, err = client.CancelMatching(ctx, b.filter, b.options); err != nil {
			return cli.Advise(err, "%d tasks were done; the same command does the rest", count)
		}
	}
	p := s.printer()
	if p.Format == cli.Names {
		return p.Line(fmt.Sprint(count))
	}
	return cli.Object{Value: bulkResult{count, b.dryRun}, Page: func(page *cli.Page) {
		if b.dryRun {
			page.Line(fmt.Sprintf("%d tasks match", count))
			return
		}
		page.Line(fmt.Sprintf("%d tasks cancelled", count))
	}}.Print(p)
}

type taskRetry struct {
	ID string `arg:"" help:"The task's id."`
}

// Run makes a delayed task due now; kong calls it.
func (c *taskRetry) Run(ctx context.Context, s *session) error {
	if err := checkID(c.ID); err != nil {
		return err
	}
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	err = client.Hurry(ctx, c.ID)
	var ended *tasks.EndedError
	switch {
	case errors.As(err, &ended) && ended.State == tasks.Dead:
		return cli.Advise(err, "publish it anew with: sparkle dead replay %s", c.ID)
	case err != nil:
		return err
	}
	s.say("task %s is due now", c.ID)
	p := s.printer()
	if p.Format == cli.Table {
		return nil
	}
	return cli.Object{Value: map[string]string{"id": c.ID}, Name: c.ID}.Print(p)
}
