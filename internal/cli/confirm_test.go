package cli_test

import (
	"bytes"
	"strings"
	"testing"

	"sparkle/internal/cli"
)

func TestAConfirmationWantsTheWord(t *testing.T) {
	for _, row := range []struct {
		typed string
		ok    bool
	}{{"low-main\n", true}, {" low-main \n", true}, {"low-main", true}, {"yes\n", false}, {"\n", false}, {"", false}} {
		var out bytes.Buffer
		err := cli.Ask(strings.NewReader(row.typed), &out, "purge \x1b[31m3 tasks", "low-main")
		if (err == nil) != row.ok {
			t.Errorf("typed %q: %v, want confirmed: %v", row.typed, err, row.ok)
		}
		if got := out.String(); got != "purge 3 tasks. Type low-main to go on: " {
			t.Errorf("asked %q", got)
		}
	}
}

func TestWithoutATerminalForceIsNeeded(t *testing.T) {
	std := cli.Std{In: strings.NewReader("low-main\n")}
	if err := std.Confirm("purge 3 tasks", "low-main", false); err == nil || cli.Explain(err).Code != cli.Usage {
		t.Errorf("Confirm = %v, want a misuse", err)
	}
	if err := std.Confirm("purge 3 tasks", "low-main", true); err != nil {
		t.Errorf("Confirm with force = %v, want nil", err)
	}
}
