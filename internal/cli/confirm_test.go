package cli_test

import (
	"strings"
	"testing"

	"sparkle/internal/cli"
	"sparkle/internal/cli/clitest"
)

func TestConfirmTakesOnlyTheWord(t *testing.T) {
	for name, row := range map[string]struct {
		answer string
		code   cli.Code // OK where it is confirmed
	}{
		"the word":          {"sparkle\n", cli.OK},
		"with spaces":       {"  sparkle \r\n", cli.OK},
		"at the end":        {"sparkle", cli.OK},
		"another word":      {"yes\n", cli.Failed},
		"nothing":           {"\n", cli.Failed},
		"the end of input":  {"", cli.Failed},
		"an endless answer": {strings.Repeat("s", 1<<20), cli.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			var words clitest.Buffer
			err := cli.Ask(clitest.Std(clitest.Input{Stdin: row.answer}, nil, &words), "purge 3 \x1b[1mtasks", "sparkle")
			if (err == nil) != (row.code == cli.OK) || err != nil && cli.Explain(err).Code != row.code {
				t.Errorf("Ask(%.20q) = %v, want code %d", row.answer, err, row.code)
			}
			clitest.Contains(t, words.String(), "Type sparkle to go on: ")
			if strings.ContainsRune(words.String(), '\x1b') {
				t.Errorf("a terminal escape came through: %q", words.String())
			}
		})
	}
}

func TestConfirmNeedsATerminal(t *testing.T) {
	var words clitest.Buffer
	err := cli.Confirm(clitest.Std(clitest.Input{Stdin: "sparkle\n"}, nil, &words), "purge 3 tasks", "sparkle")
	if v := cli.Explain(err); err == nil || v.Code != cli.Usage || !strings.Contains(v.Hint, "--force") || words.String() != "" {
		t.Errorf("Confirm without a terminal = %v with %q, want a misuse that names --force", err, words.String())
	}
}
