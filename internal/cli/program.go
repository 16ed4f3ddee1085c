// Package cli is what Sparkle's programs share on the command line: how their
// settings are read, how they reach NATS, how they print, and with which code
// they exit. Standard output carries data, standard error carries words.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"
)

// A Program is a command line. Its grammar is a pointer to a struct with kong's
// tags; it, or the command that was selected, has a method Run.
type Program struct {
	Name        string
	Description string
	Grammar     any
}

// Std is what a program has of its process.
type Std struct {
	Args []string // without the program's name
	In   io.Reader
	Out  io.Writer // data
	Err  io.Writer // words
	// Env looks up an environment variable.
	Env func(name string) (value string, ok bool)
}

// Process returns the Std of this process.
func Process() Std {
	return Std{Args: os.Args[1:], In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.LookupEnv}
}

// Run reads the settings, runs what they select and returns the exit code. The
// selected Run method may take a [context.Context], a [Std], a [Given] and each of
// bind as arguments. What went wrong is told on std.Err.
func (p Program) Run(ctx context.Context, std Std, bind ...any) int {
	err := p.run(ctx, std, bind)
	if err == nil {
		return int(OK)
	}
	verdict := Explain(err)
	_, _ = fmt.Fprintf(std.Err, "%s: %s\n", p.Name, Clean(verdict.Text))
	if verdict.Hint != "" {
		_, _ = fmt.Fprintf(std.Err, "hint: %s\n", Clean(verdict.Hint))
	}
	return int(verdict.Code)
}

func (p Program) run(ctx context.Context, std Std, bind []any) error {
	exited := false // by a flag such as --help, which has printed what was asked for
	settings := &settings{program: p.Name, env: std.Env}
	parser, err := kong.New(p.Grammar,
		kong.Name(p.Name), kong.Description(p.Description), kong.Writers(std.Out, std.Err),
		kong.Exit(func(int) { exited = true }), kong.Resolvers(settings),
		kong.Help(printHelp), kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 110}), kong.ValueFormatter(helpText),
		kong.ExplicitGroups(groups()), kong.Bind(std), kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		return fmt.Errorf("build the command line: %w", err)
	}
	parsed, err := parser.Parse(std.Args)
	if exited {
		return nil
	}
	if err != nil {
		return p.misused(err)
	}
	return parsed.Run(append(bind, givenBy(parsed))...)
}

func (p Program) misused(err error) error {
	hint := fmt.Sprintf("%s -h shows every flag", p.Name)
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		if command := parse.Context.Selected(); command != nil {
			hint = fmt.Sprintf("%s -h shows its arguments and flags", commandPath(command))
		}
	}
	return &Fault{Code: Usage, Err: err, Hint: hint}
}

// Given says which flags stand on the command line itself.
type Given map[string]bool

func givenBy(parsed *kong.Context) Given {
	given := Given{}
	for _, path := range parsed.Path {
		if path.Flag != nil && !path.Resolved {
			given[path.Flag.Name] = true
		}
	}
	return given
}

// Both reports a pair of flags that exclude each other, when both were given.
func (g Given) Both(a, b string) error {
	if g[a] && g[b] {
		return Misuse("--%s and --%s exclude each other", a, b)
	}
	return nil
}
