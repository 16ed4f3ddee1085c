package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

// A session is one run of a command.
type session struct {
	flags *flags
	std   cli.Std
	nc    *nats.Conn
}

// Client connects; the session closes the connection.
func (s *session) client(ctx context.Context) (*streams.Client, error) {
	client, nc, err := s.flags.Client(ctx, "sparkle", s.flags.Logger(s.std), s.std.Err)
	if err != nil {
		return nil, err
	}
	s.nc = nc
	return client, nil
}

// BareClient connects to a server that may have no streams yet.
func (s *session) bareClient(ctx context.Context) (*streams.Client, error) {
	nc, err := s.flags.Connect(ctx, "sparkle", s.flags.Logger(s.std), s.std.Err)
	if err != nil {
		return nil, err
	}
	s.nc = nc
	return streams.NewClient(nc, streams.Namespace(s.flags.Namespace))
}

func (s *session) close() {
	if s.nc != nil {
		s.nc.Close()
	}
}

func (s *session) printer() cli.Printer { return s.flags.Printer(s.std) }

// Say writes words for people on standard error.
func (s *session) say(format string, args ...any) {
	_, _ = fmt.Fprintln(s.std.Err, cli.Clean(fmt.Sprintf(format, args...)))
}

// Paint gives a state its colour.
func paint(state tasks.State) cli.Color {
	switch state {
	case tasks.Succeeded:
		return cli.Green
	case tasks.Dead, "lost":
		return cli.Red
	case tasks.Retrying, tasks.Parked, tasks.Held, tasks.Cancelled, tasks.Expired:
		return cli.Yellow
	case tasks.Running:
		return cli.Blue
	default:
		return 0
	}
}

// Value returns the time that t points to, zero for nil.
func value(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
