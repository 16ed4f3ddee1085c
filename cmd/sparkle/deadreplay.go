package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

type deadReplay struct {
	deadChoice
	Set       []string   `sep:"none" placeholder:"PATH=VALUE" help:"Change each payload: payload.a.b=VALUE, payload.list[0]=VALUE or payload[\"any name\"]=VALUE; VALUE is JSON, else a string. May be repeated."`
	Unset     []string   `sep:"none" placeholder:"PATH" help:"Remove a field or an element of each payload, after --set. May be repeated."`
	Payload   string     `placeholder:"JSON|@FILE|-" help:"Another payload for the one letter of ID: JSON, @FILE to read a file, - to read standard input."`
	Unchecked bool       `help:"Replay payloads that the schema of their type refuses."`
	Expires   cli.Moment `placeholder:"TIME" help:"When the tasks are no longer started: a duration from now such as 2h, or RFC 3339. Default never."`
	Rate      cli.Rate   `placeholder:"N/s" help:"At most so many letters in a second (/s), minute (/m) or hour (/h). Default as many as the server takes."`
	cli.By
}

// Run replays dead letters; kong calls it.
func (c *deadReplay) Run(ctx context.Context, s *session) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	options, err := c.options(s.std.In)
	if err != nil {
		return err
	}
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	publisher := streams.NewPublisher(client, streams.PublisherOptions{Registry: cli.Known(), Unchecked: c.Unchecked})
	replayer := streams.NewReplayer(publisher, options)
	switch {
	case c.ID != "":
		return c.one(ctx, s, client, replayer, filter)
	case c.DryRun:
		return c.preview(ctx, s, client, replayer, filter)
	default:
		return c.many(ctx, s, client, replayer, filter)
	}
}

func (c *deadReplay) options(stdin io.Reader) (streams.ReplayOptions, error) {
	o := streams.ReplayOptions{By: c.Name(), Expires: c.Expires.After(time.Now()), Rate: c.Rate.PerSecond()}
	if !o.Expires.IsZero() && !o.Expires.After(time.Now()) {
		return o, cli.Misuse("--expires: %s has passed", o.Expires.Format(time.RFC3339))
	}
	if err := o.Check(); err != nil {
		return o, cli.Misuse("--%v", err)
	}
	if c.Payload != "" {
		if c.ID == "" {
			return o, cli.Misuse("--payload: one payload fits one letter; give its ID, or change fields with --set")
		}
		payload, err := cli.ReadPayload(c.Payload, stdin)
		if err != nil {
			return o, err
		}
		edit, err := streams.Replace(payload)
		if err != nil {
			return o, cli.Misuse("--payload: %v", err)
		}
		o.Edits = append(o.Edits, edit)
	}
	for _, part := range []struct {
		flag  string
		texts []string
		parse func(string) (streams.Edit, error)
	}{{"set", c.Set, streams.ParseSet}, {"unset", c.Unset, streams.ParseUnset}} {
		for _, text := range part.texts {
			edit, err := part.parse(text)
			if err != nil {
				return o, cli.Misuse("--%s: %v", part.flag, err)
			}
			o.Edits = append(o.Edits, edit)
		}
	}
	return o, nil
}

// Preview counts what would be replayed, and what would be refused.
func (c *deadReplay) preview(ctx context.Context, s *session, client *streams.Client, r *streams.Replayer, filter streams.DeadFilter) error {
	invalid := 0
	n, err := countDead(ctx, client, filter, func(d streams.DeadLetter) {
		if _, err := r.Preview(ctx, d); err != nil {
			invalid++
			if invalid <= maxProblems {
				s.say("%s: %v", d.ID, err)
			}
		}
	})
	if err != nil {
		return err
	}
	return printCounts(s, struct {
		Matching int `json:"matching"`
		Invalid  int `json:"invalid"`
	}{n, invalid}, field{"matching", n}, field{"invalid", invalid})
}

// One replays the newest letter of an id that matches.
func (c *deadReplay) one(ctx context.Context, s *session, client *streams.Client, r *streams.Replayer, filter streams.DeadFilter) error {
	var letter streams.DeadLetter
	n, err := countDead(ctx, client, filter, func(d streams.DeadLetter) { letter = d })
	if err != nil {
		return err
	}
	if n == 0 {
		return noLetter(c.ID)
	}
	if n > 1 {
		s.say("the newest of %d letters of this id", n)
	}
	if c.DryRun {
		return previewOne(ctx, s, r, letter)
	}
	receipt, err := r.Replay(ctx, letter)
	if err != nil {
		return adviseReplay(err)
	}
	return cli.Object{Value: receipt, Name: receipt.ID, Page: func(p *cli.Page) {
		p.Field("id", receipt.ID)
		p.Field("run", receipt.Run)
		p.Field("replayed", letter.Run)
	}}.Print(s.printer())
}

// PreviewOne shows the payload that the edits come to.
func previewOne(ctx context.Context, s *session, r *streams.Replayer, letter streams.DeadLetter) error {
	payload, err := r.Preview(ctx, letter)
	if err != nil {
		return adviseReplay(err)
	}
	value := struct {
		ID       string          `json:"id"`
		Replayed string          `json:"replayed"`
		Payload  json.RawMessage `json:"payload"` // null when there is none
	}{letter.ID, letter.Run, payload}
	return cli.Object{Value: value, Name: letter.ID, Page: func(p *cli.Page) {
		p.Field("id", letter.ID)
		p.Field("replayed", letter.Run)
		p.JSON("PAYLOAD", payload)
	}}.Print(s.printer())
}

func adviseReplay(err error) error {
	var invalid *tasks.InvalidError
	if errors.As(err, &invalid) {
		return cli.Advise(err, "the letter is still there; change the payload with --set, --unset or --payload, or pass it with --unchecked")
	}
	return err
}

// Many replays all letters that match.
func (c *deadReplay) many(ctx context.Context, s *session, client *streams.Client, r *streams.Replayer, filter streams.DeadFilter) error {
	if err := c.agree(ctx, s, client, &filter, "replay %d dead letters"); err != nil {
		return err
	}
	report := replayReport{session: s, printer: s.printer(), started: time.Now()}
	return report.finish(r.ReplayAll(ctx, filter, report.add))
}
