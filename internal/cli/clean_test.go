package cli_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"sparkle/internal/cli"
	"sparkle/internal/cli/clitest"
)

func TestCleanLeavesNothingThatATerminalObeys(t *testing.T) {
	for name, row := range map[string]struct{ in, want string }{
		"plain":                        {"grün 光合 👩‍🚀", "grün 光合 👩‍🚀"},
		"a colour":                     {"a\x1b[31mred\x1b[0m", "ared"},
		"a title":                      {"a\x1b]0;owned\x07b", "ab"},
		"a title ended by a string":    {"a\x1b]0;owned\x1b\\b", "ab"},
		"an 8-bit introducer":          {"a\u009b31mb", "ab"},
		"a hyperlink":                  {"\x1b]8;;http://evil\x07here\x1b]8;;\x07", "here"},
		"an unfinished sequence":       {"a\x1b[31", "a"},
		"a lone escape":                {"a\x1b", "a"},
		"a device control string":      {"a\x1bPq#0\x1b\\b", "ab"},
		"a line break and a tab":       {"a\nb\tc\r", "a b c"},
		"a bell and a delete":          {"a\a\x7fb", "ab"},
		"an override of the direction": {"a\u202eb\u2066c", "abc"},
		"a line separator":             {"a\u2028b", "a b"},
		"no UTF-8":                     {"a\xffb", "a\uFFFDb"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := cli.Clean(row.in); got != row.want {
				t.Errorf("Clean(%q) = %q, want %q", row.in, got, row.want)
			}
		})
	}
}

func FuzzClean(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m\n")
	f.Add("\u009b\u202e\x00")
	f.Fuzz(func(t *testing.T, text string) {
		got := cli.Clean(text)
		if i := strings.IndexFunc(got, func(r rune) bool { return r != '\u200d' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) }); i >= 0 {
			t.Errorf("Clean(%q) = %q has a control character at %d", text, got, i)
		}
		if again := cli.Clean(got); again != got {
			t.Errorf("Clean(%q) = %q, want it to be clean", got, again)
		}
	})
}

// Show is a program that prints one object.
func show(value any, page func(*cli.Page)) clitest.Program {
	return program(func(std cli.Std, o cli.Output) error {
		return cli.Object{Value: value, Name: "name\x1b[1m", Page: page}.Print(o.Printer(std))
	})
}

func TestJSONEscapesWhatATerminalObeysAndKeepsTheValue(t *testing.T) {
	value := map[string]string{"k": "\x1b[31m \u009b \x7f \u202e <b>&\U000E0001"}
	out := clitest.Run(t, show(value, nil), clitest.Input{Args: []string{"-o", "json"}}).Out
	if want := `"\u001b[31m \u009b \u007f \u202e <b>&\udb40\udc01"`; !strings.Contains(out, want) {
		t.Errorf("output lacks %s:\n%s", want, out)
	}
	var back map[string]string
	if err := json.NewDecoder(bytes.NewReader([]byte(out))).Decode(&back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(value, back); diff != "" {
		t.Errorf("the value changed (-want +got):\n%s", diff)
	}
}
