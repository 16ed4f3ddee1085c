package main

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

// DeadFilter are the flags that select dead letters.
type deadFilter struct {
	Type     string         `placeholder:"TYPE" help:"Only letters of this type."`
	Pool     string         `placeholder:"POOL" help:"Only letters of this pool."`
	Priority tasks.Priority `enum:"high,default,low," default:"" placeholder:"PRIORITY" help:"Only letters of this priority: high, default or low."`
	User     string         `placeholder:"USER" help:"Only letters of this user."`
	Reason   tasks.Reason   `placeholder:"REASON" help:"Only letters with this reason: attempts, permanent, payload, lease lost or superseded."`
	Error    string         `placeholder:"REGEXP" help:"Only letters in whose error this is found: a regular expression of Go, at most 1000 bytes; (?i) at its beginning ignores case."`
	Since    cli.Moment     `placeholder:"TIME" help:"Only letters that died since then: a duration back from now such as 2h, or RFC 3339."`
	Until    cli.Moment     `placeholder:"TIME" help:"Only letters that died before then: a duration back from now such as 2h, or RFC 3339."`
}

const maxPattern = 1000 // bytes

// Filter reads the flags, with the id of an argument.
func (f deadFilter) filter(id string) (streams.DeadFilter, error) {
	now := time.Now()
	filter := streams.DeadFilter{
		ID: id, Type: f.Type, Pool: f.Pool, Priority: f.Priority, User: f.User, Reason: f.Reason,
		Since: f.Since.Before(now), Until: f.Until.Before(now),
	}
	if id != "" {
		if err := checkID(id); err != nil {
			return filter, err
		}
	}
	if f.Error != "" {
		pattern, err := regexp.Compile(f.Error)
		if err != nil || len(f.Error) > maxPattern {
			return filter, cli.Misuse("--error: %q is not a regular expression of at most %d bytes", cli.Clip(f.Error, 64), maxPattern)
		}
		filter.Error = pattern
	}
	if err := filter.Check(); err != nil {
		return filter, cli.Misuse("--%v", err)
	}
	return filter, nil
}

// DeadChoice are the letters that a command changes: those of an id, those that
// a filter takes, or all when that is said.
type deadChoice struct {
	ID     string `arg:"" optional:"" help:"The task's id."`
	All    bool   `help:"Take every letter, where neither an ID nor a filter is given."`
	DryRun bool   `help:"Change nothing; print how many letters it would be, or of one what its payload would be."`
	deadFilter
	cli.Force
}

func (c deadChoice) filter() (streams.DeadFilter, error) {
	if c.ID == "" && !c.All && c.deadFilter == (deadFilter{}) {
		return streams.DeadFilter{}, cli.Misuse("want an ID, a filter such as --type TYPE, or --all")
	}
	return c.deadFilter.filter(c.ID)
}

// Agree lets a person confirm what is done with the letters that match, and
// bounds the filter to those that were counted. Of none there is nothing to ask.
func (c deadChoice) agree(ctx context.Context, s *session, client *streams.Client, f *streams.DeadFilter, what string) error {
	if c.Force.Force {
		return nil
	}
	n, err := countDead(ctx, client, *f, func(d streams.DeadLetter) { f.Through = d.Sequence })
	if err != nil || n == 0 {
		return err
	}
	return s.std.Confirm(fmt.Sprintf(what, n), fmt.Sprint(n), false)
}

// CountDead counts the letters that match and calls each for every one.
func countDead(ctx context.Context, client *streams.Client, f streams.DeadFilter, each func(streams.DeadLetter)) (int, error) {
	n := 0
	err := client.DeadLetters(ctx, f, func(d streams.DeadLetter) bool {
		n++
		if each != nil {
			each(d)
		}
		return ctx.Err() == nil
	})
	if err == nil {
		err = context.Cause(ctx)
	}
	return n, err
}
