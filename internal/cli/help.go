package cli

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// Groups are the titles under which the shared flags stand in the help.
func groups() []kong.Group {
	return []kong.Group{
		{Key: "settings", Title: "Output and settings:"},
		{Key: "connection", Title: "Connection:"},
		{Key: "topology", Title: "Topology:"},
	}
}

const helpWidth = 100

// HelpText adds a flag's default and its environment variable to its help.
func helpText(value *kong.Value) string {
	if value.Flag == nil || !settable(value.Name) {
		return value.Help
	}
	text := strings.TrimSpace(value.Help)
	if value.Default != "" {
		text += " Default " + value.Default + "."
	}
	return text + " (" + envName(value.Name) + ")"
}

// PrintHelp shows the whole surface: where a program has commands, each one with
// its own flags.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil || ctx.Selected() != nil {
		return err
	}
	var b strings.Builder
	for _, command := range ctx.Model.Leaves(true) {
		describeFlags(&b, command)
	}
	_, err := fmt.Fprint(ctx.Stdout, b.String())
	return err
}

func describeFlags(b *strings.Builder, command *kong.Node) {
	if len(command.Flags) == 0 {
		return
	}
	_, _ = fmt.Fprintf(b, "\nFlags of %s:\n", commandPath(command))
	for _, flag := range command.Flags {
		name := "--" + flag.Name
		if !flag.IsBool() {
			name += "=" + flag.FormatPlaceHolder()
		}
		const column = 22
		for i, line := range wrap(helpText(flag.Value), helpWidth-column) {
			if i > 0 {
				name = ""
			}
			_, _ = fmt.Fprintf(b, "  %-*s  %s\n", column, name, line)
		}
	}
}

// CommandPath is how a command is typed, without its aliases.
func commandPath(command *kong.Node) string {
	if command.Parent == nil {
		return command.Name
	}
	return commandPath(command.Parent) + " " + command.Name
}

// Wrap breaks text between words into lines of at most width bytes.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimLeft(line+" "+word, " ")
	}
	return append(lines, line)
}
