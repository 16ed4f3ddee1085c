package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

// Flags are the program's command line.
type flags struct {
	Type    string `arg:"" optional:"" help:"The task's type."`
	Payload string `arg:"" optional:"" placeholder:"JSON|@FILE|-" help:"The payload: JSON, @FILE to read a file, - to read standard input. Default null."`

	Priority tasks.Priority `enum:"high,default,low," default:"" placeholder:"PRIORITY" help:"high, default or low. Default: the type's."`
	Pool     string         `placeholder:"POOL" help:"Pool of consumers that can run it. Default: the type's."`
	ID       string         `name:"id" placeholder:"ID" help:"The task's id; refused while a task of this id has not ended. Default: a new one."`
	User     string         `placeholder:"USER" help:"Whom the work is for, at most 256 bytes."`
	Header   []string       `sep:"none" placeholder:"NAME=VALUE" help:"Header that goes with the task to its handler; may be repeated."`
	Expires  cli.Moment     `placeholder:"TIME" help:"When the task is no longer started: a duration from now such as 2h, or RFC 3339. Default never."`
	Force    bool           `help:"Publish a type that neither is known here nor was announced by a worker, or a payload that the schema refuses."`
	Wait     bool           `help:"Wait for the end of the task and print its result."`
	Timeout  time.Duration  `default:"30s" placeholder:"DURATION" help:"How long --wait waits."`
	Patience time.Duration  `default:"10s" placeholder:"DURATION" help:"How long to try to publish a task while the server does not answer."`
	JSONL    string         `name:"jsonl" placeholder:"FILE|-" help:"Publish a file, or standard input with -, with a task per line: {\"type\":…,\"payload\":…,\"priority\":…,\"pool\":…,\"id\":…,\"user\":…,\"headers\":{…},\"at\":…,\"expires\":…,\"timeout\":…,\"max_attempts\":…}. TYPE and flags give what a line leaves out."`
	Atomic   bool           `help:"Publish the lines of --jsonl, at most 1000, together: all of them or none."`

	cli.Output
	cli.Shared

	known *tasks.Registry
}

// Run publishes; kong calls it.
func (f *flags) Run(ctx context.Context, std cli.Std) error {
	f.known = cli.Known()
	task, err := f.task(time.Now())
	if err != nil {
		return err
	}
	if f.JSONL != "" {
		return f.runFile(ctx, std, task)
	}
	if f.Atomic {
		return cli.Misuse("--atomic: it is for the lines of --jsonl")
	}
	if f.Type == "" {
		return cli.Misuse("want a TYPE, or --jsonl FILE; the types known here: %s", f.knownTypes())
	}
	if task.Payload, err = cli.ReadPayload(f.Payload, std.In); err != nil {
		return err
	}
	return f.runOne(ctx, std, task)
}

// Task is what the flags say of a task.
func (f *flags) task(now time.Time) (tasks.Task, error) {
	t := tasks.Task{
		Type: f.Type, ID: f.ID, Priority: f.Priority, Pool: f.Pool, User: f.User, Expires: f.Expires.After(now),
	}
	if !t.Expires.IsZero() && !t.Expires.After(now) {
		return t, cli.Misuse("--expires: %s has passed", t.Expires.Format(time.RFC3339))
	}
	if f.Timeout <= 0 {
		return t, cli.Misuse("--timeout: %v is not above 0", f.Timeout)
	}
	if f.Patience <= 0 {
		return t, cli.Misuse("--patience: %v is not above 0", f.Patience)
	}
	for _, header := range f.Header {
		name, value, ok := strings.Cut(header, "=")
		if !ok || name == "" {
			return t, cli.Misuse("--header %q: want NAME=VALUE", header)
		}
		if t.Headers == nil {
			t.Headers = map[string]string{}
		}
		t.Headers[name] = value
	}
	return t, nil
}

// Publisher connects; the caller hangs up.
func (f *flags) publisher(ctx context.Context, std cli.Std) (*streams.Publisher, *nats.Conn, error) {
	client, nc, err := f.Client(ctx, "publisher", f.Logger(std), std.Err)
	if err != nil {
		return nil, nil, err
	}
	options := streams.PublisherOptions{Registry: f.known, Unchecked: f.Force, Patience: f.Patience}
	return streams.NewPublisher(client, options), nc, nil
}

// Check refuses a task that the publisher would refuse, before there is one. A
// type that is not known here may be one that workers have announced.
func (f *flags) check(t tasks.Task) error {
	if err := t.Check(); err != nil {
		return err
	}
	if _, known := f.known.Lookup(t.Type); f.Force || !known {
		return nil
	}
	return cli.Advise(f.known.Check(t), "the schema of %s refuses it; --force publishes it all the same", t.Type)
}

// Advise says what there is in place of a type that is refused, and where the
// schema is that refuses a payload.
func (f *flags) advise(ctx context.Context, client *streams.Client, t tasks.Task, err error) error {
	var invalid *tasks.InvalidError
	if _, known := f.known.Lookup(t.Type); known || !errors.As(err, &invalid) {
		return err
	}
	if invalid.Field != "type" {
		return cli.Advise(err, "sparkle type show %s has the schema that refuses it; --force publishes it all the same", t.Type)
	}
	return cli.Advise(err, "known here: %s; announced by workers: %s; --force publishes it all the same", f.knownTypes(), announced(ctx, client))
}

func announced(ctx context.Context, client *streams.Client) string {
	list, err := client.Announced(ctx)
	var names []string
	for _, t := range list {
		names = append(names, t.Name)
	}
	if names = slices.Compact(names); err == nil && len(names) > 0 {
		return strings.Join(names, ", ")
	}
	return "none"
}

func (f *flags) knownTypes() string {
	var names []string
	for _, t := range f.known.Types() {
		names = append(names, t.Name)
	}
	return strings.Join(names, ", ")
}

// Words writes a line for people on standard error.
func words(std cli.Std, format string, args ...any) {
	_, _ = fmt.Fprintln(std.Err, cli.Clean(fmt.Sprintf(format, args...)))
}
