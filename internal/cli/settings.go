package cli

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// Settings give a flag that the command line leaves out its value: from the
// environment, else from the configuration file, else its default.
type settings struct {
	program string
	env     func(string) (string, bool)
	file    *configFile
	err     error
}

// EnvName is the environment variable that stands for a flag.
func envName(flag string) string {
	return "SPARKLE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Settable reports whether a flag can stand outside of the command line.
func settable(flag string) bool { return flag != "help" && flag != "version" }

// Resolve implements [kong.Resolver].
func (s *settings) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !settable(flag.Name) {
		return nil, nil // kong's word for "not set"
	}
	if s.file == nil { // Validate tells the error
		s.file, s.err = openConfig(s.configPath(ctx))
	}
	if text, ok := s.lookupEnv(flag.Name); ok {
		return text, check(flag, text, envName(flag.Name))
	}
	if text, ok := s.file.lookup(s.program, flag); ok {
		return text, check(flag, text, s.file.path)
	}
	return nil, nil // kong's word for "not set"
}

// LookupEnv takes an empty variable for an absent one, as composing tools set
// empty ones.
func (s *settings) lookupEnv(flag string) (string, bool) {
	text, ok := s.env(envName(flag))
	return text, ok && text != ""
}

// ConfigPath is the file's path, and whether it was asked for.
func (s *settings) configPath(ctx *kong.Context) (path string, asked bool) {
	for _, flag := range ctx.Model.Flags {
		if flag.Name != "config" {
			continue
		}
		if path, _ := ctx.FlagValue(flag).(string); path != "" {
			return path, true
		}
	}
	if path, ok := s.lookupEnv("config"); ok {
		return path, true
	}
	return defaultConfig(s.env), false
}

// Validate implements [kong.Resolver].
func (s *settings) Validate(app *kong.Application) error {
	if s.err != nil || s.file == nil {
		return s.err
	}
	return s.file.check(s.program, app)
}

// Check parses a value once for the sake of an error that names its source.
func check(flag *kong.Flag, text, source string) error {
	if flag.Enum != "" && !flag.IsSlice() && !flag.EnumMap()[text] {
		return fmt.Errorf("must be one of %s but got %q (from %s)", flag.Enum, text, source)
	}
	target := reflect.New(flag.Target.Type()).Elem()
	err := flag.Parse(kong.ScanFromTokens(kong.Token{Type: kong.FlagValueToken, Value: text}), target)
	if err != nil {
		return fmt.Errorf("%s (from %s)", strings.TrimPrefix(err.Error(), flag.ShortSummary()+": "), source)
	}
	return nil
}
