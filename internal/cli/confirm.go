package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
)

// Confirm asks on a terminal for a word to be typed before something is done that
// cannot be taken back; what says what that is. Without a terminal it wants force.
func (s Std) Confirm(what, word string, force bool) error {
	if force {
		return nil
	}
	in, isFile := s.In.(*os.File)
	if !isFile || !Terminal(in) {
		return Advise(Misuse("%s: needs --force where no terminal is", what), "--dry-run shows what it would do")
	}
	return confirm(s.In, s.Err, what, word)
}

func confirm(in io.Reader, out io.Writer, what, word string) error {
	_, _ = fmt.Fprintf(out, "%s. Type %s to go on: ", Clean(what), Clean(word))
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && err != io.EOF {
		return fmt.Errorf("read the confirmation: %w", err)
	}
	if strings.TrimSpace(line) != word {
		return Misuse("not confirmed: nothing was changed")
	}
	return nil
}

// By says who does something; embed it in a grammar.
type By struct {
	By string `placeholder:"NAME" help:"Who does this, for the events. Default: the user of the operating system."`
}

// Name returns who does it.
func (b By) Name() string {
	if b.By != "" {
		return b.By
	}
	current, err := user.Current()
	if err != nil {
		return ""
	}
	return current.Username
}

// Force is the flag that takes the place of a confirmation; embed it in a grammar.
type Force struct {
	Force bool `short:"f" help:"Do not ask; needed where no terminal is."`
}
