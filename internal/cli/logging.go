package cli

import (
	"github.com/rs/zerolog"
)

// Logging is how a program logs, on standard error.
type Logging struct {
	LogLevel  string `enum:"trace,debug,info,warn,error" default:"info" placeholder:"LEVEL" group:"settings" help:"The least level that is logged: ${enum}."`
	LogFormat string `enum:"text,json" default:"text" placeholder:"FORMAT" group:"settings" help:"text for people, or json, a line each."`
}

// Logger returns a logger on std.Err.
func (l Logging) Logger(std Std) zerolog.Logger {
	level, err := zerolog.ParseLevel(l.LogLevel)
	if err != nil { // kong has checked it
		level = zerolog.InfoLevel
	}
	out := std.Err
	if l.LogFormat == "text" {
		out = zerolog.ConsoleWriter{Out: std.Err, NoColor: !colorful(std, std.Err), TimeFormat: "15:04:05"}
	}
	return zerolog.New(out).Level(level).With().Timestamp().Logger()
}
