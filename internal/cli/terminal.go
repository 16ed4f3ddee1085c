package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Terminal reports whether w is a terminal.
func Terminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Colorful reports whether w takes colours, and the user wants them
// (no-color.org).
func colorful(std Std, w io.Writer) bool {
	unwanted, _ := std.Env("NO_COLOR")
	kind, _ := std.Env("TERM")
	return unwanted == "" && kind != "dumb" && Terminal(w)
}
