package docs_test

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sparkle/streams/streamstest"
)

// Constants returns the texts of a file's constants whose names begin with
// prefix.
func constants(t *testing.T, file, prefix string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(parsed, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, prefix) {
			return true
		}
		if literal, ok := spec.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if value, err := strconv.Unquote(literal.Value); err == nil {
				values = append(values, value)
			}
		}
		return true
	})
	if len(values) == 0 {
		t.Fatalf("%s has no constants %s…", file, prefix)
	}
	return values
}

func TestPagesNameEveryConstant(t *testing.T) {
	for _, c := range []struct{ file, prefix, page string }{
		{"streams/headers.go", "Header", "docs/envelope.md"},
		{"tasks/state.go", "Reason", "docs/envelope.md"},
		{"tasks/state.go", "", "docs/terms.md"},
	} {
		p := readPage(t, c.page)
		reasons := constants(t, "tasks/state.go", "Reason")
		for _, value := range constants(t, c.file, c.prefix) {
			if c.prefix == "" && slices.Contains(reasons, value) {
				continue
			}
			if !strings.Contains(p.text, "| `"+value+"`") && !strings.Contains(p.text, ", `"+value+"` |") {
				t.Errorf("%s has no row for %q of %s", c.page, value, c.file)
			}
		}
	}
}

func TestOperationsNamesEveryMetric(t *testing.T) {
	text := readPage(t, "docs/operations.md").text
	name := regexp.MustCompile(`sparkle_[a-z_]+`)
	source := readPage(t, "tasks/metrics.go").text
	for _, metric := range name.FindAllString(source, -1) {
		if !strings.Contains(text, "| `"+metric+"` |") {
			t.Errorf("docs/operations.md has no row for %s", metric)
		}
	}
	for _, metric := range name.FindAllString(text, -1) {
		if !strings.Contains(source, `"`+metric+`"`) {
			t.Errorf("docs/operations.md names %s, which does not exist", metric)
		}
	}
}

// The forms of subjects in the first column of the table, with * for each name,
// are those that a server with the topology takes.
func TestEnvelopeNamesEverySubject(t *testing.T) {
	t.Parallel()
	server := streamstest.New(t, streamstest.Options{})
	js, err := jetstream.New(server.Conn)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	list := js.ListStreams(t.Context())
	for info := range list.Info() {
		want = append(want, info.Config.Subjects...)
	}
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	want = append(want, "sparkle.workers.cancel", "sparkle.workers.orders.*", "sparkle.workers.stats")
	_, table, _ := strings.Cut(readPage(t, "docs/envelope.md").text, "## Subjects")
	table, _, _ = strings.Cut(table, "\n## ")
	var got []string
	for _, row := range regexp.MustCompile("(?m)^\\| ((?:`[^`]+`(?: and )?)+) \\| (?:`\\w+_|none)").FindAllStringSubmatch(table, -1) {
		for _, form := range codeSpan.FindAllStringSubmatch(row[1], -1) {
			got = append(got, forms(form[1])...)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("subjects (-server +docs/envelope.md):\n%s", diff)
	}
}

func forms(form string) []string {
	if !strings.Contains(form, "tasks.") || !strings.Contains(form, "<priority>") {
		return []string{regexp.MustCompile(`<\w+>`).ReplaceAllString(form, "*")}
	}
	var list []string
	for _, priority := range []string{"high", "default", "low"} {
		list = append(list, forms(strings.Replace(form, "<priority>", priority, 1))...)
	}
	return list
}

// What a page publishes with the plain NATS command is stored.
func TestPlainMessagesOfThePagesAreStored(t *testing.T) {
	t.Parallel()
	server := streamstest.New(t, streamstest.Options{})
	count := 0
	for _, p := range []page{readPage(t, "docs/envelope.md"), readPage(t, "README.md")} {
		for _, block := range p.blocks("sh") {
			for line := range strings.Lines(block) {
				if m := plainMessage(t, strings.TrimSpace(line)); m != nil {
					count++
					stored(t, server.Conn, m)
				}
			}
		}
	}
	if count != 5 {
		t.Errorf("%d messages found, want all 5", count)
	}
}

// PlainMessage reads `nats req SUBJECT BODY -H NAME:VALUE…`, nil for other lines.
func plainMessage(t *testing.T, line string) *nats.Msg {
	t.Helper()
	words := shellWords(line)
	if len(words) < 4 || words[0] != "nats" || words[1] != "req" && words[1] != "pub" {
		return nil
	}
	m := nats.NewMsg(words[2])
	m.Data = []byte(words[3])
	for i := 4; i < len(words); i += 2 {
		name, value, ok := strings.Cut(words[min(i+1, len(words)-1)], ":")
		if words[i] != "-H" || !ok {
			t.Fatalf("%s: want -H NAME:VALUE, got %q", line, words[i:])
		}
		m.Header[name] = []string{value}
	}
	return m
}

func stored(t *testing.T, nc *nats.Conn, m *nats.Msg) {
	t.Helper()
	answer, err := nc.RequestMsg(m, 5*time.Second)
	if err != nil || !strings.Contains(string(answer.Data), `"stream":"SPARKLE_TASKS"`) || strings.Contains(string(answer.Data), `"error"`) {
		t.Errorf("%s is answered %v, %v; want it stored", m.Subject, answer, err)
	}
}

// The example of the wire, byte for byte, is a task.
func TestWireExampleIsStored(t *testing.T) {
	t.Parallel()
	server := streamstest.New(t, streamstest.Options{Listen: "127.0.0.1:0"})
	conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL(), "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	block := readPage(t, "docs/envelope.md").blocks("text")[0]
	if _, err := conn.Write([]byte(strings.ReplaceAll(block, "\n", "\r\n"))); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "-ERR"):
			t.Fatalf("the server answers %s", line)
		case strings.Contains(line, `"stream":"SPARKLE_TASKS"`):
			if strings.Contains(line, `"error"`) {
				t.Errorf("the task is refused: %s", line)
			}
			return
		}
	}
	t.Error("the server does not acknowledge the task")
}
