package main

import (
	"time"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

// A taskFilter selects tasks by what they are, whatever their state.
type taskFilter struct {
	Type     string         `placeholder:"TYPE" help:"Tasks of this type."`
	Priority tasks.Priority `enum:"high,default,low," default:"" placeholder:"PRIORITY" help:"Tasks of this priority: high, default or low."`
	Pool     string         `placeholder:"POOL" help:"Tasks of this pool."`
	User     string         `placeholder:"USER" help:"Tasks of this user."`
	Since    cli.Moment     `placeholder:"TIME" help:"Tasks in their state since then: a duration back from now such as 2h, or RFC 3339."`
	Prefix   string         `placeholder:"TEXT" help:"Tasks whose ids begin so."`
}

func (f taskFilter) list(state tasks.State) (streams.ListFilter, error) {
	if f.Type != "" && !tasks.ValidName(f.Type) {
		return streams.ListFilter{}, cli.Misuse("--type: %q is not 1 to 128 letters, digits, _ or -", cli.Clip(f.Type, 64))
	}
	return streams.ListFilter{
		State: state, Type: f.Type, Priority: f.Priority, Pool: f.Pool, User: f.User,
		Since: f.Since.Before(time.Now()), Prefix: f.Prefix,
	}, nil
}
