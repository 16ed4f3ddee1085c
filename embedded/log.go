package embedded

import (
	"fmt"
	"strings"

	"github.com/rs/zerolog"
)

// A serverLog gives the NATS server's lines to zerolog and keeps the first
// fatal one as an error. It never ends the process.
type serverLog struct {
	out    zerolog.Logger
	fatals chan error
}

func newServerLog(out zerolog.Logger) *serverLog {
	return &serverLog{out: out, fatals: make(chan error, 1)}
}

// debug tells whether the server's debug lines would be written at all.
func (l *serverLog) debug() bool { return l.out.GetLevel() <= zerolog.TraceLevel }

// fatal returns what stopped the server from starting, or nil.
func (l *serverLog) fatal() error {
	select {
	case err := <-l.fatals:
		return err
	default:
		return nil
	}
}

// Noticef logs at debug: a notice is of interest to who runs a NATS server, and
// here somebody runs a queue.
func (l *serverLog) Noticef(format string, args ...any) { line(l.out.Debug(), format, args) }

// Warnf logs at warn.
func (l *serverLog) Warnf(format string, args ...any) { line(l.out.Warn(), format, args) }

// Errorf logs at error.
func (l *serverLog) Errorf(format string, args ...any) { line(l.out.Error(), format, args) }

// Debugf logs at trace.
func (l *serverLog) Debugf(format string, args ...any) { line(l.out.Trace(), format, args) }

// Tracef drops the line: it would hold payloads.
func (l *serverLog) Tracef(string, ...any) {}

// Fatalf keeps the error among the arguments, or the text when there is none.
func (l *serverLog) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	for _, arg := range args {
		if cause, ok := arg.(error); ok {
			err = cause
		}
	}
	select {
	case l.fatals <- err:
	default:
	}
}

// line writes one line unless it is disabled, without the spaces by which the
// server lays out its tables.
func line(event *zerolog.Event, format string, args []any) {
	if event.Enabled() {
		event.Msg(strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}
