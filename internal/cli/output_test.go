package cli_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sparkle/internal/cli"
	"sparkle/internal/cli/clitest"
)

// A grammar is a command line for tests.
type grammar struct {
	Number int      `default:"7" help:"A number."`
	List   []string `help:"Some words."`
	Switch bool     `help:"A switch."`
	cli.Output
	cli.Shared

	run func(*grammar, cli.Std, cli.Given) error
}

func (g *grammar) Run(std cli.Std, given cli.Given) error { return g.run(g, std, given) }

// Program returns a program that is called consumer.
func program(run func(cli.Std, cli.Output) error) clitest.Program {
	return programOf(func(g *grammar, std cli.Std, _ cli.Given) error { return run(std, g.Output) })
}

func programOf(run func(*grammar, cli.Std, cli.Given) error) clitest.Program {
	return func(ctx context.Context, std cli.Std) int {
		return cli.Program{Name: "consumer", Description: "A test.", Grammar: &grammar{run: run}}.Run(ctx, std)
	}
}

type animal struct {
	Name string `json:"name"`
	Legs int    `json:"legs"`
}

func animals(items ...animal) clitest.Program {
	return program(func(std cli.Std, o cli.Output) error {
		return cli.List[animal]{
			Items: items,
			Name:  func(a animal) string { return a.Name },
			Columns: []cli.Column[animal]{
				{Title: "name", Cell: func(a animal) string { return a.Name }, Paint: func(animal) cli.Color { return cli.Red }},
				{Title: "legs", Cell: func(a animal) string { return fmt.Sprint(a.Legs) }, Right: true},
				{Title: "note", Cell: func(animal) string { return "" }},
			},
		}.Print(o.Printer(std))
	})
}

func TestListPrintsInEachFormat(t *testing.T) {
	zoo := animals(animal{"ant", 6}, animal{"\x1b[2Jcentipede\n光", 100})
	for format, want := range map[string]string{
		"table": "NAME          LEGS  NOTE\nant              6\ncentipede 光   100\n",
		"json":  "[\n  {\n    \"name\": \"ant\",\n    \"legs\": 6\n  },\n  {\n    \"name\": \"\\u001b[2Jcentipede\\n光\",\n    \"legs\": 100\n  }\n]\n",
		"jsonl": "{\"name\":\"ant\",\"legs\":6}\n{\"name\":\"\\u001b[2Jcentipede\\n光\",\"legs\":100}\n",
		"name":  "ant\ncentipede 光\n",
	} {
		t.Run(format, func(t *testing.T) {
			got := clitest.Run(t, zoo, clitest.Input{Args: []string{"-o", format}})
			if diff := cmp.Diff(clitest.Result{Out: want}, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEmptyListIsAnEmptyArray(t *testing.T) {
	for format, want := range map[string]string{"table": "", "json": "[]\n", "jsonl": "", "name": ""} {
		if got := clitest.Run(t, animals(), clitest.Input{Args: []string{"-o", format}}); got.Out != want {
			t.Errorf("-o %s printed %q, want %q", format, got.Out, want)
		}
	}
}

func TestPageIsAlignedCleanAndWithoutEmptyFields(t *testing.T) {
	page := func(p *cli.Page) {
		p.Field("id", "a\x1b[31m\nb")
		p.Field("nothing", "")
		p.Painted("state", "dead", cli.Red)
		p.Text("STACK", "goroutine 1\n\tmain.go:1\x1b[0m\n")
		p.JSON("RESULT", []byte("{\"a\":[1,\"\\u202e\u202e\"]}"))
		p.JSON("NULL", []byte("null"))
		p.JSON("BROKEN", []byte("{"))
	}
	want := "id         a b\nstate      dead\n\nSTACK\n  goroutine 1\n      main.go:1\n\n" +
		"RESULT\n  {\n    \"a\": [\n      1,\n      \"\\u202e\\u202e\"\n    ]\n  }\n\nBROKEN\n  {\n"
	if diff := cmp.Diff(want, clitest.Run(t, show(nil, page), clitest.Input{}).Out); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
}

func TestOutputThatCannotBeWrittenIsAnError(t *testing.T) {
	var words clitest.Buffer
	code := animals(animal{"ant", 6})(t.Context(), clitest.Std(clitest.Input{}, broken{}, &words))
	if want := "consumer: write the output: disk is full\n"; code != 1 || words.String() != want {
		t.Errorf("exit %d and %q, want 1 and %q", code, words.String(), want)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk is full") }

func TestAgesUseTheirLargestUnit(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Millisecond: "0s", 0: "0s", 12900 * time.Millisecond: "12s", 3*time.Minute + 59*time.Second: "3m",
		5 * time.Hour: "5h", 47 * time.Hour: "47h", 49 * time.Hour: "2d", -3 * time.Minute: "in 3m",
	} {
		if got := cli.Age(d); got != want {
			t.Errorf("Age(%v) = %q, want %q", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-1: "", 0: "0ms", 2500 * time.Microsecond: "2ms", 1239 * time.Millisecond: "1.24s", 185 * time.Second: "3m5s",
	} {
		if got := cli.Took(d); got != want {
			t.Errorf("Took(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestMomentReadsDurationsAndTimes(t *testing.T) {
	now := time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
	for text, want := range map[string][2]time.Time{
		"2h":                   {now.Add(2 * time.Hour), now.Add(-2 * time.Hour)},
		"2026-05-02T00:00:00Z": {now.Add(16 * time.Hour), now.Add(16 * time.Hour)},
	} {
		var m cli.Moment
		if err := m.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if after, before := m.After(now), m.Before(now); !after.Equal(want[0]) || !before.Equal(want[1]) {
			t.Errorf("%s: After = %v, Before = %v, want %v", text, after, before, want)
		}
	}
	var m cli.Moment
	if !m.After(now).IsZero() {
		t.Errorf("an unset moment is %v, want zero", m.After(now))
	}
	if err := m.UnmarshalText([]byte("tomorrow")); err == nil {
		t.Error("UnmarshalText(tomorrow) succeeded")
	}
}
