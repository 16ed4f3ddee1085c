package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sparkle/internal/cli"
	"sparkle/internal/cli/clitest"
)

// Settings is a program that prints what it was told.
func settings() clitest.Program {
	return programOf(func(g *grammar, std cli.Std, given cli.Given) error {
		_, err := fmt.Fprint(std.Out, g.Number, " ", g.List, " ", g.Switch, " ", g.Namespace, " ", given["number"])
		return err
	})
}

func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFlagGoesBeforeEnvironmentBeforeFileBeforeDefault(t *testing.T) {
	file := configFile(t, `{"namespace": "filed", "consumer": {"number": 3, "list": ["x", "y"], "switch": true}, "publisher": {"what": 1}}`)
	env := map[string]string{"SPARKLE_NUMBER": "5", "SPARKLE_LIST": "e,f", "SPARKLE_NAMESPACE": "environ", "SPARKLE_CONFIG": file}
	for name, row := range map[string]struct {
		in   clitest.Input
		want string
	}{
		"defaults":                 {clitest.Input{}, "7 [] false sparkle false"},
		"a file":                   {clitest.Input{Args: []string{"--config", file}}, "3 [x y] true filed false"},
		"a file and a variable":    {clitest.Input{Env: env}, "5 [e f] true environ false"},
		"all of them":              {clitest.Input{Env: env, Args: []string{"--number=9", "--namespace", "flagged"}}, "9 [e f] true flagged true"},
		"an empty variable":        {clitest.Input{Env: map[string]string{"SPARKLE_NUMBER": ""}}, "7 [] false sparkle false"},
		"no file where one may be": {clitest.Input{Env: map[string]string{"HOME": t.TempDir()}}, "7 [] false sparkle false"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := clitest.Run(t, settings(), row.in); got.Out != row.want {
				t.Errorf("Run(%q) printed %q, want %q; %s", row.in.Args, got.Out, row.want, got.Err)
			}
		})
	}
}

func TestFileIsFoundInTheConfigurationDirectory(t *testing.T) {
	dir := t.TempDir()
	for variable, path := range map[string]string{"XDG_CONFIG_HOME": "sparkle", "HOME": ".config/sparkle"} {
		if err := os.MkdirAll(filepath.Join(dir, path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path, "config.json"), []byte(`{"namespace":"found"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		got := clitest.Run(t, settings(), clitest.Input{Env: map[string]string{variable: dir}})
		clitest.Contains(t, got.Out, "found")
	}
}

func TestBadSettingsAreUsageErrorsThatNameTheirSource(t *testing.T) {
	for name, row := range map[string]struct {
		in   clitest.Input
		want string
	}{
		"an unknown flag":        {clitest.Input{Args: []string{"--nope"}}, "unknown flag --nope"},
		"a bad flag":             {clitest.Input{Args: []string{"--number=x"}}, `--number: expected a valid 64 bit int but got "x"`},
		"a bad variable":         {clitest.Input{Env: map[string]string{"SPARKLE_NUMBER": "x"}}, `--number: expected a valid 64 bit int but got "x" (from SPARKLE_NUMBER)`},
		"a word that is not one": {clitest.Input{Env: map[string]string{"SPARKLE_OUTPUT": "xml"}}, `must be one of table,json,jsonl,name but got "xml" (from SPARKLE_OUTPUT)`},
		"a bad format":           {clitest.Input{Args: []string{"-o", "xml"}}, `--output must be one of "table","json","jsonl","name" but got "xml"`},
		"a bad namespace":        {clitest.Input{Args: []string{"--namespace", "A.B"}}, "is not 1 to 32 of a-z and 0-9"},
		"no time to connect":     {clitest.Input{Args: []string{"--connect-wait", "0s"}}, "--connect-wait: 0s is not above 0"},
		"a missing file":         {clitest.Input{Args: []string{"--config", "/none/at/all"}}, "read --config: open /none/at/all: no such file or directory"},
		"a file that is no JSON": {clitest.Input{Args: []string{"--config", configFile(t, "nats-url: x")}}, "not a JSON object"},
		"a huge file":            {clitest.Input{Args: []string{"--config", configFile(t, strings.Repeat(" ", 2<<20))}}, "more than 1048576 bytes"},
		"a mistyped key":         {clitest.Input{Args: []string{"--config", configFile(t, `{"namespaces":"x"}`)}}, `no flag is called "namespaces"`},
		"a mistyped key of its own": {clitest.Input{Args: []string{"--config", configFile(t, `{"consumer":{"numbr":1}}`)}},
			`consumer has no flag called "numbr"`},
		"a key of one program at the top": {clitest.Input{Args: []string{"--config", configFile(t, `{"number":1}`)}},
			`"number" is a flag of consumer alone, put it under "consumer"`},
		"a bad value in a file": {clitest.Input{Args: []string{"--config", configFile(t, `{"consumer":{"number":"x"}}`)}}, `got "x" (from `},
	} {
		t.Run(name, func(t *testing.T) {
			got := clitest.Run(t, settings(), row.in)
			if got.Code != 2 || got.Out != "" {
				t.Errorf("exit %d with %q on stdout, want 2 with nothing", got.Code, got.Out)
			}
			clitest.Contains(t, got.Err, "consumer: ", row.want, "hint: consumer -h shows every flag")
		})
	}
}

func TestHelpShowsEveryFlagWithDefaultAndVariable(t *testing.T) {
	got := clitest.Run(t, settings(), clitest.Input{Args: []string{"-h"}})
	if got.Code != 0 || got.Err != "" {
		t.Errorf("exit %d with %q on stderr, want 0 with nothing", got.Code, got.Err)
	}
	text := strings.Join(strings.Fields(got.Out), " ")
	clitest.Contains(t, text, "--number=7 A number. Default 7. (SPARKLE_NUMBER)", "(SPARKLE_NATS_URL)", "Default nats://127.0.0.1:4222.",
		"(SPARKLE_TLS_CA)", "(SPARKLE_OUTPUT)", "(SPARKLE_CONFIG)", "--version Print the version and exit.")
}

func TestVersionFlagPrintsASemanticVersion(t *testing.T) {
	got := clitest.Run(t, settings(), clitest.Input{Args: []string{"--version"}})
	if got.Code != 0 || !strings.HasPrefix(got.Out, "consumer 0.0.0-") {
		t.Errorf("exit %d and %q, want 0 and a version", got.Code, got.Out)
	}
}
