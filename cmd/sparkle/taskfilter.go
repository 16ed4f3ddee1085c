package main

import (
	"time"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

// A taskFilter selects tasks that have not ended.
type taskFilter struct {
	State    tasks.State    `enum:"scheduled,waiting,running,returned,retrying,parked,held," default:"" placeholder:"STATE" help:"Tasks in this state: scheduled, waiting, running, returned, retrying, parked or held."`
	Type     string         `placeholder:"TYPE" help:"Tasks of this type."`
	Priority tasks.Priority `enum:"high,default,low," default:"" placeholder:"PRIORITY" help:"Tasks of this priority: high, default or low."`
	Pool     string         `placeholder:"POOL" help:"Tasks of this pool."`
	User     string         `placeholder:"USER" help:"Tasks of this user."`
	Since    cli.Moment     `placeholder:"TIME" help:"Tasks in their state since then: a duration back from now such as 2h, or RFC 3339."`
	Prefix   string         `placeholder:"TEXT" help:"Tasks whose ids begin so."`
}

func (f taskFilter) list() streams.ListFilter {
	return streams.ListFilter{
		State: f.State, Type: f.Type, Priority: f.Priority, Pool: f.Pool, User: f.User,
		Since: f.Since.Before(time.Now()), Prefix: f.Prefix,
	}
}

func (f taskFilter) empty() bool { return f == taskFilter{} }
