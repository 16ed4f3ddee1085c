// Package clitest runs Sparkle's programs in tests as a user would: with
// arguments, an environment and standard streams, and looks at what they print
// and how they exit.
package clitest

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"sparkle/internal/cli"
)

// A Program is a Run function of one of the commands.
type Program func(context.Context, cli.Std) int

// Input is what a user gives a program.
type Input struct {
	Args  []string
	Stdin string
	Env   map[string]string // nothing else is seen of the environment
}

// A Result is what a user sees of a program.
type Result struct {
	Code     int
	Out, Err string
}

// Run runs a program until it ends or the test does.
func Run(t testing.TB, p Program, in Input) Result {
	t.Helper()
	var out, words Buffer
	code := p(t.Context(), Std(in, &out, &words))
	return Result{Code: code, Out: out.String(), Err: words.String()}
}

// Std returns the streams of an input, for a program that the test runs itself.
func Std(in Input, out, words io.Writer) cli.Std {
	return cli.Std{
		Args: in.Args, In: strings.NewReader(in.Stdin), Out: out, Err: words,
		Env: func(name string) (string, bool) {
			value, ok := in.Env[name]
			return value, ok
		},
	}
}

// A Buffer is a bytes.Buffer for concurrent use.
type Buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements [io.Writer].
func (b *Buffer) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(data)
}

// String returns what was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
