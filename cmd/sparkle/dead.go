package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sparkle/internal/cli"
	"sparkle/streams"
)

type deadLs struct {
	deadFilter
	Limit int `default:"100" placeholder:"N" help:"At most so many letters, the newest ones."`
}

// Run lists dead letters; kong calls it.
func (c *deadLs) Run(ctx context.Context, s *session) error {
	if err := checkLimit(c.Limit); err != nil {
		return err
	}
	filter, err := c.filter("")
	if err != nil {
		return err
	}
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	letters, left, err := c.newest(ctx, client, filter)
	if err != nil {
		return err
	}
	s.noteEmpty(len(letters), "no dead letter matches")
	if left > 0 {
		s.say("the newest %d; --limit shows the other %d", len(letters), left)
	}
	p := s.printer()
	return deadList(p, letters).Print(p)
}

// Newest returns the newest letters that match and how many older ones it left
// out.
func (c *deadLs) newest(ctx context.Context, client *streams.Client, f streams.DeadFilter) (letters []streams.DeadLetter, left int, err error) {
	err = client.DeadLetters(ctx, f, func(d streams.DeadLetter) bool {
		if letters = append(letters, d); len(letters) >= 2*c.Limit {
			left += len(letters) - c.Limit
			letters = slices.Clone(letters[len(letters)-c.Limit:])
		}
		return true
	})
	if older := len(letters) - c.Limit; older > 0 {
		left += older
		letters = letters[older:]
	}
	slices.Reverse(letters)
	return letters, left, err
}

func deadList(p cli.Printer, letters []streams.DeadLetter) cli.List[streams.DeadLetter] {
	type letter = streams.DeadLetter
	return cli.List[letter]{
		Items: letters,
		Name:  func(d letter) string { return d.ID },
		Columns: []cli.Column[letter]{
			{Title: "id", Cell: func(d letter) string { return d.ID }},
			{Title: "type", Cell: func(d letter) string { return d.Type }},
			{Title: "queue", Cell: func(d letter) string { return string(d.Priority) + "-" + d.Pool }},
			{Title: "reason", Cell: func(d letter) string { return string(d.Reason) }},
			{Title: "attempts", Cell: func(d letter) string { return fmt.Sprint(d.Attempt) }, Right: true},
			{Title: "lost", Cell: func(d letter) string { return fmt.Sprint(d.Lost) }, Right: true},
			{Title: "died", Cell: func(d letter) string { return p.Since(d.Died) }, Right: true},
			{Title: "error", Cell: func(d letter) string { return cli.Clip(d.Error, 60) }},
		},
	}
}

type deadShow struct {
	ID string `arg:"" help:"The task's id."`
}

// Run shows a dead letter; kong calls it.
func (c *deadShow) Run(ctx context.Context, s *session) error {
	if err := checkID(c.ID); err != nil {
		return err
	}
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	var letter streams.DeadLetter
	found, err := countDead(ctx, client, streams.DeadFilter{ID: c.ID}, func(d streams.DeadLetter) { letter = d })
	if err != nil {
		return err
	}
	if found == 0 {
		return noLetter(c.ID)
	}
	if found > 1 {
		s.say("the newest of %d letters of this id", found)
	}
	unreadable, err := loadPayload(ctx, client, &letter)
	if err != nil {
		return err
	}
	p := s.printer()
	if p.Format == cli.Table {
		s.say("run it again with: sparkle dead replay %s", letter.ID)
	}
	return cli.Object{Value: letter, Name: letter.ID, Page: func(page *cli.Page) { describeDead(page, p, letter, unreadable) }}.Print(p)
}

func noLetter(id string) error {
	return &cli.Fault{
		Code: cli.NotFound, Err: fmt.Errorf("no dead letter of task %s", id),
		Hint: "its state: sparkle task show " + id,
	}
}

// LoadPayload fetches a payload that the letter does not carry itself, or says
// why it cannot be read. The letter goes on telling how it is carried.
func loadPayload(ctx context.Context, client *streams.Client, d *streams.DeadLetter) (unreadable string, err error) {
	carried := d.Body
	err = client.LoadDead(ctx, d)
	d.Body = carried
	var broken *streams.UnreadableError
	if errors.As(err, &broken) {
		return "payload: " + broken.Want, nil
	}
	return "", err
}

func describeDead(page *cli.Page, p cli.Printer, d streams.DeadLetter, unreadable string) {
	page.Field("id", d.ID)
	page.Field("run", d.Run)
	page.Field("type", d.Type)
	page.Field("queue", string(d.Priority)+"-"+d.Pool)
	page.Field("user", d.User)
	page.Field("replayed", lineage(d.Lineage))
	page.Painted("died", p.Since(d.Died)+" ago", cli.Red)
	page.Field("reason", string(d.Reason))
	page.Field("error", d.Error)
	page.Field("body", bodyText(d.Body))
	page.Field("unreadable", unreadable)
	page.Field("lost", leases(d.Lost))
	cli.AddList(page, attemptList(p, d.Attempts))
	addStack(page, d.Attempts)
	page.JSON("PAYLOAD", d.Payload)
}
