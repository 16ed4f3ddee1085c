package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	publisher "sparkle/cmd/publisher"
	"sparkle/internal/cli/clitest"
	"sparkle/streams"
	"sparkle/tasks"
)

// Last returns the headers of the task of an id.
func (f fleet) last(t *testing.T, id string) nats.Header {
	t.Helper()
	return f.stored(t, id).Header
}

func (f fleet) stored(t *testing.T, id string) *jetstream.RawStreamMsg {
	t.Helper()
	stream := f.tasks(t)
	m, err := stream.GetLastMsgForSubject(t.Context(), f.Client.Namespace().Anywhere(id))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (f fleet) tasks(t *testing.T) jetstream.Stream {
	t.Helper()
	js, err := jetstream.New(f.Conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), f.Client.Namespace().Stream("TASKS"))
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func writeLines(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tasks.jsonl")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const good = `{"type":"rerank_documents","payload":{"query":"a","documents":[]}`

func TestBadLinesAreNamedAndDoNotStopTheGoodOnes(t *testing.T) {
	for _, format := range []string{"table", "json", "jsonl", "name"} {
		t.Run(format, func(t *testing.T) {
			f := newFleet(t)
			path := writeLines(t,
				"\xef\xbb\xbf"+good+`,"id":"first"}`,
				"",
				`{"type":"rerank_documents","payload":{"query":"a","documents":[{"id":1,"text":"x"}]}}`,
				`{"type":"nope","payload":{}}`,
				`{"type":"rerank_documents","pay":{}}`,
				`{"type":"rerank_documents","payload":`,
				`{"type":5}`,
				`[1,2]`,
				`{} {}`,
				good+`,"priority":"urgent"}`,
				good+`,"id":"a\u001b[31m.b"}`,
				`{"type":"rerank_documents","payload":"`+strings.Repeat("x", 33<<20)+`"}`,
				good+`,"id":"first"}`,
				good+`,"id":"last","priority":"high","pool":"gpu","user":"ann"}`+"\r")
			got := f.run(t, "", "--jsonl", path, "-o", format)
			if got.Code != 2 {
				t.Errorf("exit %d, want 2", got.Code)
			}
			if format == "jsonl" || format == "name" { // in the order of the answers
				got.Out = sortLines(got.Out)
			}
			clitest.Golden(t, "bad-lines."+format, "stdout:\n"+got.Out+"stderr:\n"+got.Err)
			if info, err := f.Client.Task(t.Context(), "last"); err != nil || info.User != "ann" || info.Pool != "gpu" {
				t.Errorf("last line became %+v (%v), want user ann in pool gpu", info, err)
			}
		})
	}
}

func sortLines(text string) string {
	lines := strings.SplitAfter(text, "\n")
	byLine := func(line string) int {
		var l struct {
			Line int `json:"line"`
		}
		_ = json.Unmarshal([]byte(line), &l)
		return l.Line
	}
	for i := range lines { // few
		for j := i + 1; j < len(lines)-1; j++ {
			if a, b := byLine(lines[i]), byLine(lines[j]); b < a || a == b && lines[j] < lines[i] {
				lines[i], lines[j] = lines[j], lines[i]
			}
		}
	}
	return strings.Join(lines, "")
}

func TestTenThousandLinesArePublishedOnce(t *testing.T) {
	f := newFleet(t)
	const n, ids = 10_000, 9_990
	var lines strings.Builder
	for i := range n {
		_, _ = fmt.Fprintf(&lines, "%s,\"id\":\"k%d\"}\n", good, i%ids)
	}
	got := f.run(t, lines.String(), "--jsonl", "-", "-o", "json")
	var report struct {
		Published, Waiting, Bad int
		Problems                []struct{ Line int }
	}
	if err := json.Unmarshal([]byte(got.Out), &report); err != nil {
		t.Fatalf("%v: %s", err, got.Out)
	}
	if got.Code != 4 || report.Published != ids || report.Waiting != n-ids || report.Bad != 0 {
		t.Errorf("exit %d with %+v, want 4 with %d published and %d waiting", got.Code, report, ids, n-ids)
	}
	// Of two lines with one id the earlier one is published.
	for i, p := range report.Problems {
		if p.Line != ids+i+1 {
			t.Errorf("problem %d is line %d, want %d", i, p.Line, ids+i+1)
		}
	}
	clitest.Contains(t, got.Err, "line 9991: id: task k0 has not ended", "10 lines have the id of a task that has not ended, 9990 tasks were published")
	if info, err := f.tasks(t).Info(t.Context()); err != nil || info.State.Msgs != ids {
		t.Errorf("%d tasks are stored (%v), want %d", info.State.Msgs, err, ids)
	}
}

func TestLinesTakeFromTheFlagsWhatTheyLeaveOut(t *testing.T) {
	f := newFleet(t)
	got := f.run(t, `{"payload":{"query":"a","documents":[]},"id":"x"}`+"\n"+`{"type":"nope","id":"y","priority":"low"}`,
		"rerank_documents", "--jsonl", "-", "--priority", "high", "--user", "ann", "--force", "--header", "tenant=a", "-o", "name")
	if got.Code != 0 {
		t.Fatalf("exit %d: %s", got.Code, got.Err)
	}
	if diff := cmp.Diff("sparkle.tasks.ready.high.main.rerank_documents.x", f.stored(t, "x").Subject); diff != "" {
		t.Errorf("x (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("sparkle.tasks.ready.low.main.nope.y", f.stored(t, "y").Subject); diff != "" {
		t.Errorf("y (-want +got):\n%s", diff)
	}
	if h := f.last(t, "y"); h.Get("tenant") != "a" || h.Get("Sparkle-User") != "ann" {
		t.Errorf("headers of y are %v, want tenant and user", h)
	}
}

// A task whose time to start has passed ends as expired, with an event that says
// so; it does not run and does not vanish.
func TestALineThatIsNotStartedInTimeExpires(t *testing.T) {
	f := newFleet(t)
	f.work(t)
	got := f.run(t, good+`,"id":"late","at":"300ms","expires":"100ms"}`+"\n"+good+`,"id":"soon","expires":"1h"}`, "--jsonl", "-", "-o", "jsonl")
	if got.Code != 0 {
		t.Fatalf("exit %d: %s", got.Code, got.Err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err := f.Client.Await(ctx, "late", "")
	var failed *streams.FailedError
	if !errors.As(err, &failed) || failed.State != tasks.Expired {
		t.Errorf("Await(late) = %v, want it expired", err)
	}
	if info, err := f.Client.Task(ctx, "late"); err != nil || info.State != tasks.Expired {
		t.Errorf("Task(late) = %+v, %v, want state expired", info, err)
	}
	if _, err := f.Client.Await(ctx, "soon", ""); err != nil {
		t.Errorf("Await(soon) = %v, want success", err)
	}
}

func TestFlagsThatAFileHasNoUseFor(t *testing.T) {
	path := writeLines(t, good+"}")
	for name, row := range map[string]struct {
		args []string
		want string
	}{
		"a payload":      {[]string{"rerank_documents", "{}", "--jsonl", path}, `the lines have the payloads; leave out "{}"`},
		"an id":          {[]string{"--id", "x", "--jsonl", path}, "the lines have the ids"},
		"waiting":        {[]string{"--wait", "--jsonl", path}, "--wait is for one task"},
		"a missing file": {[]string{"--jsonl", "/none/at/all"}, "read --jsonl: open /none/at/all: no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			got := alone(t, row.args...)
			if got.Code != 2 {
				t.Errorf("exit %d, want 2", got.Code)
			}
			clitest.Contains(t, got.Err, row.want)
		})
	}
}

func TestServerThatGoesAwayEndsAFileWithAReport(t *testing.T) {
	for name, row := range map[string]struct {
		fault func(fleet) error
		want  string
	}{
		"it stops":            {func(f fleet) error { return f.Close() }, "no answer from NATS; it may have been stored"},
		"its stream is taken": {func(f fleet) error { return f.without(t, "TASKS") }, "stream not found"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			in := &interrupted{at: 500, do: func() {
				if err := row.fault(f); err != nil {
					t.Error(err)
				}
			}}
			var out, words clitest.Buffer
			std := clitest.Std(clitest.Input{Args: []string{"--jsonl", "-", "--nats-url", f.URL(), "--patience", "300ms"}}, &out, &words)
			std.In = in
			code := publisher.Run(t.Context(), std)
			if code != 1 {
				t.Errorf("exit %d, want 1", code)
			}
			clitest.Contains(t, words.String(), row.want, ": not tried", "lines after ", "publisher: stopped after ", "hint: publish the lines named above")
			clitest.Contains(t, out.String(), "published", "failed", "skipped")
		})
	}
}

// Without removes a stream.
func (f fleet) without(t *testing.T, kind string) error {
	t.Helper()
	js, err := jetstream.New(f.Conn)
	if err != nil {
		return err
	}
	return js.DeleteStream(t.Context(), f.Client.Namespace().Stream(kind))
}

// An interrupted is a file, by default an endless one, that does something at one
// of its reads.
type interrupted struct {
	in       io.Reader
	read, at int
	do       func()
}

func (r *interrupted) Read(into []byte) (int, error) {
	if r.read++; r.read == r.at {
		r.do()
	}
	if r.in != nil {
		return r.in.Read(into[:min(len(into), 100<<10)])
	}
	return copy(into, good+"}\n"), nil
}

func TestAnInterruptEndsAFileAndAwaitsWhatIsOnItsWay(t *testing.T) {
	f := newFleet(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, words clitest.Buffer
	std := clitest.Std(clitest.Input{Args: []string{"--jsonl", "-", "--nats-url", f.URL(), "-o", "json"}}, &out, &words)
	std.In = &interrupted{at: 500, do: cancel}
	if code := publisher.Run(ctx, std); code != 1 {
		t.Errorf("exit %d, want 1", code)
	}
	var report struct{ Published, Failed uint64 }
	if err := json.Unmarshal([]byte(out.String()), &report); err != nil {
		t.Fatal(err)
	}
	info, err := f.tasks(t).Info(t.Context())
	if err != nil || report.Failed != 0 || report.Published != info.State.Msgs {
		t.Errorf("report is %+v and %d tasks are stored (%v), want as many and none failed", report, info.State.Msgs, err)
	}
	clitest.Contains(t, words.String(), fmt.Sprintf("publisher: interrupted after %d tasks", report.Published))
}
