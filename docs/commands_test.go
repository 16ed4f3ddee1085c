package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Binaries are the commands, built once for all tests.
var binaries struct {
	once sync.Once
	dir  string
	err  error
	out  []byte
}

func binary(t *testing.T, name string) string {
	t.Helper()
	b := &binaries
	b.once.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "sparkle-docs-*"); b.err != nil {
			return
		}
		build := exec.Command("go", "build", "-o", b.dir+string(filepath.Separator), "./cmd/...")
		build.Dir = root
		b.out, b.err = build.CombinedOutput()
	})
	if b.err != nil {
		t.Fatalf("build the commands: %v\n%s", b.err, b.out)
	}
	return filepath.Join(b.dir, name)
}

// Help returns what a command says with -h.
func help(t *testing.T, words ...string) string {
	t.Helper()
	out, err := exec.Command(binary(t, words[0]), append(slices.Clone(words[1:]), "-h")...).Output()
	if err != nil {
		t.Errorf("%s -h: %v", strings.Join(words, " "), err)
	}
	return string(out)
}

var commands = []string{"consumer", "publisher", "sparkle"}

func TestCommandsOfThePagesExist(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range pages(t) {
		for _, line := range append(p.code(), subcommands(p)...) {
			// A line may chain commands and pipe them.
			for part := range strings.SplitSeq(strings.ReplaceAll(line, "&&", "|"), "|") {
				words := shellWords(part)
				if len(words) < 2 || !slices.Contains(commands, words[0]) || seen[part] {
					continue
				}
				seen[part] = true
				checkCommand(t, p, words)
			}
		}
	}
	if len(seen) < 15 {
		t.Errorf("%d commands found, want all of them: %v", len(seen), seen)
	}
}

// Subcommands are those of rows such as | `sparkle task` | `show`, `ls` |.
func subcommands(p page) []string {
	var list []string
	row := regexp.MustCompile("(?m)^\\| `(sparkle \\w+)` \\| (`\\w+`(?:, `\\w+`)*) \\|$")
	for _, found := range row.FindAllStringSubmatch(p.text, -1) {
		for _, name := range codeSpan.FindAllStringSubmatch(found[2], -1) {
			list = append(list, found[1]+" "+name[1])
		}
	}
	return list
}

// CheckCommand asks the command itself: its usage line names it, and its help
// has the flags.
func checkCommand(t *testing.T, p page, words []string) {
	t.Helper()
	command := words[:1]
	for _, word := range words[1:] {
		if words[0] != "sparkle" || len(command) == 3 || !regexp.MustCompile(`^[a-z]+$`).MatchString(word) {
			break
		}
		command = append(slices.Clone(command), word)
	}
	text := help(t, command...)
	usage, _, _ := strings.Cut(regexp.MustCompile(` \(\w+\)`).ReplaceAllString(text, ""), "\n") // without aliases
	if !strings.HasPrefix(usage+" ", "Usage: "+strings.Join(command, " ")+" ") {
		t.Errorf("%s: %q: there is no such command", p.path, strings.Join(words, " "))
	}
	for _, word := range words {
		if name, _, _ := strings.Cut(word, "="); strings.HasPrefix(name, "--") && !hasFlag(text, name) {
			t.Errorf("%s: %q: there is no flag %s", p.path, strings.Join(words, " "), name)
		}
	}
}

func hasFlag(help, name string) bool {
	return regexp.MustCompile(regexp.QuoteMeta(name) + `\b[^-]`).MatchString(help)
}

func TestFlagsAndVariablesOfThePagesExist(t *testing.T) {
	t.Parallel()
	all := ""
	for _, name := range commands {
		all += help(t, name)
	}
	for _, p := range pages(t) {
		for _, code := range p.code() {
			name := regexp.MustCompile(`^[^ =]*`).FindString(code)
			switch {
			case strings.HasPrefix(name, "--") && !hasFlag(all, name):
				t.Errorf("%s: %q: there is no such flag", p.path, code)
			case strings.HasPrefix(name, "SPARKLE_") && !strings.Contains(all, "("+name+")") && !slices.Contains(streamNames, name):
				t.Errorf("%s: %q: there is no such variable", p.path, code)
			}
		}
	}
}

// StreamNames look like variables.
var streamNames = []string{"SPARKLE_TASKS", "SPARKLE_EVENTS", "SPARKLE_DEAD", "SPARKLE_ADVISORIES", "SPARKLE_USAGE", "SPARKLE_BLOBS"}

func TestMakeTargetsOfThePagesExist(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, p := range pages(t) {
		for _, code := range p.code() {
			for _, found := range regexp.MustCompile(`\bmake ([a-z0-9-]+)`).FindAllStringSubmatch(code, -1) {
				count++
				if !regexp.MustCompile(`(?m)^` + found[1] + `:`).Match(makefile) {
					t.Errorf("%s: %q: there is no target %s", p.path, code, found[1])
				}
			}
		}
	}
	if count < 5 {
		t.Errorf("%d targets found, want all of them", count)
	}
}

// ShellWords splits a line as a shell does that knows single and double quotes.
func shellWords(line string) []string {
	var words []string
	var word strings.Builder
	open, quote := false, rune(0)
	end := func() {
		if open {
			words = append(words, word.String())
		}
		open = false
		word.Reset()
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			open, quote = true, r
		case r == ' ':
			end()
		default:
			open = true
			word.WriteRune(r)
		}
	}
	end()
	return words
}
