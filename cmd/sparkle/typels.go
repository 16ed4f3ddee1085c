package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

type typeLs struct{}

// Run lists the announced types; kong calls it.
func (c *typeLs) Run(ctx context.Context, s *session) error {
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	list, err := client.Announced(ctx)
	if err != nil {
		return err
	}
	s.noteEmpty(len(list), "no type is announced; a consumer announces its types when it starts")
	p := s.printer()
	return announcedList(p, list).Print(p)
}

func announcedList(p cli.Printer, list []streams.AnnouncedType) cli.List[streams.AnnouncedType] {
	type announced = streams.AnnouncedType
	return cli.List[announced]{
		Items: list,
		Name:  func(t announced) string { return t.Name },
		Columns: []cli.Column[announced]{
			{Title: "name", Cell: func(t announced) string { return t.Name }},
			{Title: "hash", Cell: func(t announced) string { return t.Hash }},
			{Title: "queue", Cell: func(t announced) string { return string(t.Priority) + "-" + t.Pool }},
			{Title: "timeout", Cell: func(t announced) string { return t.Timeout.String() }, Right: true},
			{Title: "attempts", Cell: func(t announced) string { return fmt.Sprint(t.Retry.Attempts) }, Right: true},
			{Title: "announced", Cell: func(t announced) string { return p.Since(t.Announced) }, Right: true},
			{Title: "program", Cell: func(t announced) string { return cli.Clip(t.Program, 40) }},
		},
	}
}

type typeShow struct {
	Name string `arg:"" help:"The type's name."`
	Hash string `arg:"" optional:"" help:"The version, or the beginning of its hash. Default the one announced last."`
}

// Run shows a version of a type; kong calls it.
func (c *typeShow) Run(ctx context.Context, s *session) error {
	_, versions, err := s.versions(ctx, c.Name, c.Hash)
	if err != nil {
		return err
	}
	if len(versions) > 1 {
		s.say("the newest of %d versions", len(versions))
	}
	t := versions[0]
	p := s.printer()
	return cli.Object{Value: t, Name: t.Name, Page: func(page *cli.Page) { describeType(page, p, t) }}.Print(p)
}

func describeType(page *cli.Page, p cli.Printer, t streams.AnnouncedType) {
	page.Field("name", t.Name)
	page.Field("hash", t.Hash)
	page.Field("queue", string(t.Priority)+"-"+t.Pool)
	page.Field("timeout", t.Timeout.String())
	page.Field("retry", fmt.Sprintf("%d attempts, base %v, cap %v", t.Retry.Attempts, t.Retry.Base, t.Retry.Cap))
	page.Field("announced", p.Since(t.Announced)+" ago")
	page.Field("program", t.Program)
	if schema, err := t.Schema.MarshalJSON(); err == nil {
		page.JSON("SCHEMA", schema)
	}
}

// Versions finds the announced versions of a type whose hash begins so, newest
// first.
func (s *session) versions(ctx context.Context, name, hash string) (*streams.Client, []streams.AnnouncedType, error) {
	for what, word := range map[string]string{"type": name, "hash": hash} {
		if !tasks.ValidName(word) && (what == "type" || word != "") {
			return nil, nil, cli.Misuse("%q is not a %s: want 1 to 128 letters, digits, _ or -", cli.Clip(word, 64), what)
		}
	}
	client, err := s.client(ctx)
	if err != nil {
		return nil, nil, err
	}
	list, err := client.Announced(ctx)
	if err != nil {
		return nil, nil, err
	}
	var versions []streams.AnnouncedType
	for _, t := range list {
		if t.Name == name && strings.HasPrefix(t.Hash, hash) {
			versions = append(versions, t)
		}
	}
	if len(versions) == 0 {
		return nil, nil, &cli.Fault{
			Code: cli.NotFound, Err: errors.New(strings.TrimSpace(fmt.Sprintf("no worker has announced type %s %s", name, hash))),
			Hint: "which there are: sparkle type ls",
		}
	}
	return client, versions, nil
}
