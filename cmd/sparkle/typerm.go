package main

import (
	"context"
	"fmt"

	"sparkle/internal/cli"
	"sparkle/streams"
)

type typeRm struct {
	Name   string `arg:"" help:"The type's name."`
	Hash   string `arg:"" optional:"" help:"The version, or the beginning of its hash. Default all versions."`
	DryRun bool   `help:"Show what would be removed, and remove nothing."`
	cli.Force
}

// Run removes what workers announced of a type; kong calls it.
func (c *typeRm) Run(ctx context.Context, s *session) error {
	client, versions, err := s.versions(ctx, c.Name, c.Hash)
	if err != nil {
		return err
	}
	p := s.printer()
	if c.DryRun {
		s.say("would remove %d versions of %s", len(versions), c.Name)
		return announcedList(p, versions).Print(p)
	}
	what := fmt.Sprintf("remove %d announced versions of %s", len(versions), c.Name)
	if err := s.std.Confirm(what, c.Name, c.Force.Force); err != nil {
		return err
	}
	if err := client.Forget(ctx, versions); err != nil {
		return err
	}
	s.say("removed %d versions of %s; a worker that runs one announces it again when it starts", len(versions), c.Name)
	if p.Format == cli.Table {
		return nil
	}
	return cli.List[streams.AnnouncedType]{Items: versions, Name: func(t streams.AnnouncedType) string { return t.Hash }}.Print(p)
}
