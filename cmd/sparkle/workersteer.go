package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sparkle/internal/cli"
	"sparkle/streams"
)

// A workerTarget chooses one worker, or all that answer.
type workerTarget struct {
	Name string `arg:"" optional:"" help:"The worker's name; sparkle worker ls has them."`
	All  bool   `help:"All workers that answer."`
}

type workerScale struct {
	workerTarget
	Slots int `required:"" short:"n" placeholder:"N" help:"How many slots it is to have, 1 to 10000."`
}

// Run gives workers other slots; kong calls it.
func (c *workerScale) Run(ctx context.Context, s *session) error {
	return c.steer(ctx, s, streams.Order{Verb: streams.Scale, Slots: c.Slots})
}

type workerDrain struct{ workerTarget }

// Run takes workers out of service; kong calls it.
func (c *workerDrain) Run(ctx context.Context, s *session) error {
	return c.steer(ctx, s, streams.Order{Verb: streams.Drain})
}

type workerResume struct{ workerTarget }

// Run lets drained workers work again; kong calls it.
func (c *workerResume) Run(ctx context.Context, s *session) error {
	return c.steer(ctx, s, streams.Order{Verb: streams.ResumeWork})
}

const workersWait = time.Second

// Steer gives the order to the workers at once and prints their answers.
func (t workerTarget) steer(ctx context.Context, s *session, o streams.Order) error {
	if err := o.Check(); err != nil {
		return err
	}
	if (t.Name == "") == !t.All {
		return cli.Misuse("want a worker's name, or --all")
	}
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	names := []string{t.Name}
	if t.All {
		workers, err := client.Workers(ctx, workersWait)
		if err != nil {
			return err
		}
		names = names[:0]
		for _, w := range workers {
			names = append(names, w.Name)
		}
		s.noteEmpty(len(names), "no worker answers; start one with: consumer")
	}
	answers, failed := make([]streams.Steered, len(names)), make([]error, len(names))
	var asking sync.WaitGroup
	for i, name := range names {
		asking.Go(func() { answers[i], failed[i] = client.Steer(ctx, name, o) })
	}
	asking.Wait()
	var obeyed []streams.Steered
	for i := range answers {
		if failed[i] == nil {
			obeyed = append(obeyed, answers[i])
		}
	}
	return errors.Join(steeredList(obeyed).Print(s.printer()), errors.Join(failed...))
}

func steeredList(list []streams.Steered) cli.List[streams.Steered] {
	type one = streams.Steered
	standing := func(x streams.Standing) string {
		if x.Draining {
			return fmt.Sprintf("%d slots, draining", x.Slots)
		}
		return fmt.Sprintf("%d slots", x.Slots)
	}
	return cli.List[one]{
		Items: list,
		Name:  func(x one) string { return x.Worker },
		Columns: []cli.Column[one]{
			{Title: "worker", Cell: func(x one) string { return x.Worker }},
			{Title: "before", Cell: func(x one) string { return standing(x.Before) }},
			{Title: "now", Cell: func(x one) string { return standing(x.After) }},
		},
	}
}
