package main

import (
	"context"
	"fmt"

	"sparkle/internal/cli"
	"sparkle/streams"
)

type deadRm struct{ deadChoice }

// Run removes dead letters; kong calls it.
func (c *deadRm) Run(ctx context.Context, s *session) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	if c.DryRun {
		n, err := countDead(ctx, client, filter, nil)
		if err != nil {
			return err
		}
		return printCounts(s, struct {
			Matching int `json:"matching"`
		}{n}, field{"matching", n})
	}
	if err := c.agree(ctx, s, client, &filter, "remove %d dead letters for good"); err != nil {
		return err
	}
	return c.remove(ctx, s, client, filter)
}

func (c *deadRm) remove(ctx context.Context, s *session, client *streams.Client, filter streams.DeadFilter) error {
	removed := 0
	p := s.printer()
	var failed error
	err := client.DeadLetters(ctx, filter, func(d streams.DeadLetter) bool {
		if failed = client.RemoveDead(ctx, d); failed != nil {
			return false
		}
		removed++
		failed = printOne(p, d.ID, letterName{d.ID, d.Run, d.Type, d.Sequence})
		return failed == nil && ctx.Err() == nil
	})
	for _, e := range []error{failed, err, context.Cause(ctx)} {
		if e != nil {
			return fmt.Errorf("stopped after %d letters were removed: %w", removed, e)
		}
	}
	return printCounts(s, struct {
		Removed int `json:"removed"`
	}{removed}, field{"removed", removed})
}

// A letterName says which letter a line is of.
type letterName struct {
	ID       string `json:"id"`
	Run      string `json:"run"`
	Type     string `json:"type"`
	Sequence uint64 `json:"sequence,omitempty"`
}

// PrintOne prints one of many as it is done, in the formats that have a line for
// each.
func printOne(p cli.Printer, name string, value any) error {
	switch p.Format {
	case cli.Names:
		return p.Line(name)
	case cli.JSONL:
		return p.Value(value)
	default:
		return nil
	}
}

// A field is one count for people.
type field struct {
	label string
	n     int
}

// PrintCounts prints what was done in all, in the formats that have no line for
// each.
func printCounts(s *session, value any, fields ...field) error {
	p := s.printer()
	if p.Format != cli.Table && p.Format != cli.JSON {
		return nil
	}
	return cli.Object{Value: value, Page: func(page *cli.Page) {
		for _, f := range fields {
			page.Field(f.label, fmt.Sprint(f.n))
		}
	}}.Print(p)
}
