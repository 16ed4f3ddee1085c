package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Confirm asks a person on a terminal to type word before something that cannot
// be undone; what says what it is. Where standard input is no terminal it is a
// misuse that --force would have allowed.
func Confirm(std Std, what, word string) error {
	if !interactive(std.In) {
		return &Fault{
			Code: Usage, Err: fmt.Errorf("%s: nobody is there to confirm it", what),
			Hint: "--force does it without asking",
		}
	}
	return ask(std, what, word)
}

func ask(std Std, what, word string) error {
	_, _ = fmt.Fprintf(std.Err, "%s. Type %s to go on: ", Clean(what), word)
	answer, err := bufio.NewReader(io.LimitReader(std.In, 1<<10)).ReadString('\n')
	if strings.TrimSpace(answer) == word {
		return nil
	}
	if err != nil {
		_, _ = fmt.Fprintln(std.Err) // the line that the end of the input left open
	}
	return &Fault{Code: Failed, Err: fmt.Errorf("%s: not confirmed, so nothing was done", what)}
}

func interactive(in io.Reader) bool {
	file, ok := in.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
