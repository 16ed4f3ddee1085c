package main

import (
	"context"
	"fmt"
	"time"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

// A pauseTarget chooses what is paused.
type pauseTarget struct {
	Priority tasks.Priority `enum:"high,default,low," default:"" placeholder:"PRIORITY" help:"The queues of this priority: high, default or low."`
	Pool     string         `placeholder:"POOL" help:"The queues of this pool; with --priority the one queue of both."`
	Type     string         `placeholder:"TYPE" help:"This type, in all its queues."`
}

func (t pauseTarget) check() (streams.PauseTarget, error) {
	target := streams.PauseTarget{Priority: t.Priority, Pool: t.Pool, Type: t.Type}
	return target, target.Check()
}

type queuePause struct {
	pauseTarget
	For    time.Duration `placeholder:"DURATION" help:"How long, such as 2h; at least 1s. Default: until it is resumed."`
	Until  cli.Moment    `placeholder:"TIME" help:"Until when: RFC 3339, or a duration from now. Default: until it is resumed."`
	Reason string        `placeholder:"TEXT" help:"Why, for people; at most 256 bytes."`
	cli.By
}

// Run pauses queues or a type; kong calls it.
func (c *queuePause) Run(ctx context.Context, s *session, given cli.Given) error {
	target, err := c.check()
	if err != nil {
		return err
	}
	if err := given.Both("for", "until"); err != nil {
		return err
	}
	until := c.Until.After(time.Now())
	if given["for"] {
		until = time.Now().Add(c.For)
	}
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	pause, err := client.Pause(ctx, target, streams.PauseOptions{Until: until, Reason: c.Reason, By: c.Name()})
	if err != nil {
		return err
	}
	p := s.printer()
	s.say("%s is paused%s", target, untilWhen(p, pause))
	return quietly(p, pause, target.String())
}

// Quietly prints a value for programs; people have been told.
func quietly(p cli.Printer, value any, name string) error {
	if p.Format == cli.Table {
		return nil
	}
	return cli.Object{Value: value, Name: name}.Print(p)
}

func untilWhen(p cli.Printer, pause streams.Pause) string {
	text := ""
	if pause.By != "" {
		text = " by " + pause.By
	}
	if pause.Until != nil {
		text += ", goes on " + p.Until(*pause.Until)
	}
	if pause.Reason != "" {
		text += ": " + pause.Reason
	}
	return text
}

type queueResume struct{ pauseTarget }

// Run resumes what was paused; kong calls it.
func (c *queueResume) Run(ctx context.Context, s *session) error {
	target, err := c.check()
	if err != nil {
		return err
	}
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	due, err := client.Resume(ctx, target)
	if err != nil {
		return err
	}
	s.say("%s is resumed", target)
	if due > 0 {
		s.say("made due now: %d parked %s", due, plural(due, "task"))
	}
	pauses, err := client.Pauses(ctx)
	if err != nil {
		return err
	}
	for _, pause := range pauses {
		if target.Type == "" && pause.Overlaps(target) {
			s.say("%s is still paused%s", pause.PauseTarget, untilWhen(s.printer(), pause))
		}
	}
	return quietly(s.printer(), target, target.String())
}

type queuePauses struct{}

// Run lists the pauses; kong calls it.
func (c *queuePauses) Run(ctx context.Context, s *session) error {
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	pauses, err := client.Pauses(ctx)
	if err != nil {
		return err
	}
	s.noteEmpty(len(pauses), "nothing is paused")
	p := s.printer()
	type pause = streams.Pause
	return cli.List[pause]{
		Items: pauses,
		Name:  func(x pause) string { return x.PauseTarget.String() },
		Columns: []cli.Column[pause]{
			{Title: "paused", Cell: func(x pause) string { return x.PauseTarget.String() }},
			{Title: "since", Cell: func(x pause) string { return p.Since(x.Since) }, Right: true},
			{Title: "until", Cell: func(x pause) string { return ends(p, x) }},
			{Title: "by", Cell: func(x pause) string { return cli.Clip(x.By, 24) }},
			{Title: "reason", Cell: func(x pause) string { return cli.Clip(x.Reason, 60) }},
		},
	}.Print(p)
}

func ends(p cli.Printer, x streams.Pause) string {
	if x.Until == nil {
		return "resumed"
	}
	return p.Until(*x.Until)
}

type queuePurge struct {
	Priority tasks.Priority `required:"" enum:"high,default,low" placeholder:"PRIORITY" help:"The queue's priority: high, default or low."`
	Pool     string         `default:"main" placeholder:"POOL" help:"The queue's pool."`
	Type     string         `placeholder:"TYPE" help:"Only tasks of this type."`
	State    tasks.State    `enum:"scheduled,waiting,retrying,parked,held," default:"" placeholder:"STATE" help:"Only tasks in this state: scheduled, waiting, retrying, parked or held."`
	Reason   string         `placeholder:"TEXT" help:"Why, for people; at most 248 bytes."`
	DryRun   bool           `help:"Change nothing; say how many tasks there are."`
	cli.By
	cli.Force
}

// Run cancels the tasks of a queue that were not started; kong calls it.
func (c *queuePurge) Run(ctx context.Context, s *session) error {
	queue := tasks.Queue{Priority: c.Priority, Pool: c.Pool}
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	reason := "purged"
	if c.Reason != "" {
		reason += ": " + c.Reason
	}
	return s.cancelMatching(ctx, client, bulk{
		filter:  streams.ListFilter{Priority: c.Priority, Pool: c.Pool, Type: c.Type, State: c.State},
		options: streams.MatchingOptions{By: c.Name(), Reason: reason, Unstarted: true},
		dryRun:  c.DryRun, force: c.Force.Force, verb: fmt.Sprintf("purge queue %s of", queue), word: queue.String(),
	})
}
