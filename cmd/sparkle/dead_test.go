package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sparkle/internal/cli/clitest"
	"sparkle/streams"
	"sparkle/tasks"
)

// Mortal are the types with one more: zero, which dies with n 0.
func mortal(c *streams.Client) *tasks.Registry {
	r := types(c, nil)
	tasks.Handle(r, tasks.Type[ping, ping]{Name: "zero"}, func(_ context.Context, in ping) (ping, error) {
		if in.N == 0 {
			return in, tasks.Permanent(errors.New("n is zero"))
		}
		return in, nil
	})
	return r
}

// Bury publishes a task of type zero that dies, with its payload.
func (f fleet) bury(t *testing.T, task tasks.Task) {
	t.Helper()
	task.Type, task.Payload = "zero", json.RawMessage(`{"n":0}`)
	f.publish(t, task)
	f.settle(t, task.ID, tasks.Dead)
	f.eventuallyDead(t, task.ID)
}

// EventuallyDead waits for the letter, which comes after the event.
func (f fleet) eventuallyDead(t *testing.T, id string) {
	t.Helper()
	clitest.Eventually(t, "the letter of "+id, func() bool { return f.run(t, "dead", "show", id).Code == 0 })
}

func (f fleet) dead(t *testing.T) string {
	t.Helper()
	return strings.Join(sorted(f.run(t, "dead", "ls", "-o", "name").Out), " ")
}

func TestReplayOfOneLetter(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.work(t, mortal(f.Client))
	f.bury(t, tasks.Task{ID: "z"})
	clitest.Contains(t, f.run(t, "dead", "show", "z").Err, "run it again with: sparkle dead replay z")
	if got := f.run(t, "dead", "replay", "z", "--dry-run", "--set", "payload.n=8", "-o", "jsonl"); got.Code != 0 || !strings.Contains(got.Out, `"payload":{"n":8}`) || f.dead(t) != "z" {
		t.Errorf("dry run = %+v with letters %q, want the payload, and the letter left", got, f.dead(t))
	}
	got := f.run(t, "dead", "replay", "z", "--set", "payload.m=7", "--unset", "payload.m", "--set", "payload.n=3", "--by", "ann")
	if got.Code != 0 || f.dead(t) != "" {
		t.Fatalf("replay = %+v with letters %q, want success and none", got, f.dead(t))
	}
	clitest.Contains(t, got.Out, "id         z\n", "run ", "replayed ")
	f.settle(t, "z", tasks.Succeeded)
	clitest.Contains(t, f.run(t, "task", "show", "z").Out, ", by ann\n", `"n": 3`)
	clitest.Contains(t, f.run(t, "task", "show", "z", "-o", "json").Out, `"replayed_by": "ann"`, `"replayed": "`)
}

func TestReplayOfOneLetterTellsWhyNot(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.work(t, mortal(f.Client))
	f.publish(t, tasks.Task{Type: "rerank_documents", ID: "odd", Payload: json.RawMessage(`{"query":"tea","documents":[]}`)})
	f.settle(t, "odd", tasks.Succeeded)
	line := `{"id":"odd","run":"r1","type":"rerank_documents","priority":"low","pool":"main","reason":"payload","error":"no documents","attempt":1,"died":"2026-02-03T04:05:06Z","payload":{"query":5},"attempts":[]}`
	if got := clitest.Run(t, run, f.with(line, "dead", "import", "-", "-o", "name")); got.Code != 0 || got.Out != "odd\n" {
		t.Fatalf("import = %+v, want odd", got)
	}
	got := f.run(t, "dead", "replay", "odd")
	if got.Code != 2 {
		t.Errorf("replay of what does not fit = %+v, want exit 2", got)
	}
	clitest.Contains(t, got.Err, "replay odd: payload.", "hint: the letter is still there; change the payload with --set")
	f.publish(t, tasks.Task{Type: "slow", ID: "odd"})
	if got := f.run(t, "dead", "replay", "odd", "--payload", `{"query":"tea","documents":[]}`); got.Code != 4 || f.dead(t) != "odd" {
		t.Errorf("replay beside a living run = %+v, want exit 4 and the letter kept", got)
	}
}

func TestReplayOfManyLetters(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.work(t, mortal(f.Client))
	for i := range 4 {
		f.bury(t, tasks.Task{ID: fmt.Sprintf("z%d", i), User: []string{"ann", "bob"}[i%2]})
	}
	got := f.run(t, "dead", "replay", "--user", "ann")
	if got.Code != 2 || f.dead(t) != "z0 z1 z2 z3" {
		t.Errorf("without --force and a terminal = %+v with letters %q, want exit 2 and all", got, f.dead(t))
	}
	clitest.Contains(t, got.Err, "replay 2 dead letters", "--force")
	got = f.run(t, "dead", "replay", "--type", "zero", "--dry-run", "--set", "payload.n.m=1")
	clitest.Contains(t, got.Out, "matching   4\n", "invalid    4\n")
	clitest.Contains(t, got.Err, "z0: payload.n: want an object to edit in, got a number")
	got = f.run(t, "dead", "replay", "--user", "ann", "-f", "--rate", "500/s", "--set", "payload.n=1", "-o", "jsonl")
	lines := sorted(got.Out)
	if got.Code != 0 || len(lines) != 2 || f.dead(t) != "z1 z3" {
		t.Errorf("replay of ann's = %+v with letters %q, want a line for each of two", got, f.dead(t))
	}
	for _, line := range lines {
		clitest.Contains(t, line, `"outcome":"replayed"`, `"replayed":"`, `"run":"`)
	}
	f.settle(t, "z0", tasks.Succeeded)
	f.publish(t, tasks.Task{Type: "later", ID: "z1"})
	f.settle(t, "z1", tasks.Retrying)
	got = f.run(t, "dead", "replay", "--all", "--force", "--error", "zero$", "--set", "payload.n=1", "-o", "json")
	if got.Code != 4 || f.dead(t) != "z1" {
		t.Errorf("replay of all = %+v with letters %q, want exit 4 and the taken id left", got, f.dead(t))
	}
	clitest.Contains(t, got.Out, `"replayed": 1`, `"waiting": 1`, `"invalid": 0`)
	clitest.Contains(t, got.Err, "z1: task z1 has not ended", "1 letters have the id of a task that has not ended")
	if got := f.run(t, "dead", "replay", "--user", "nobody", "-f"); got.Code != 0 || got.Err != "" {
		t.Errorf("replay of none = %+v, want success", got)
	}
}

func TestRemovalOfLetters(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.work(t, mortal(f.Client))
	for i := range 3 {
		f.bury(t, tasks.Task{ID: fmt.Sprintf("z%d", i), Priority: tasks.Priorities()[i]})
	}
	if got := f.run(t, "dead", "rm", "z0"); got.Code != 2 || !strings.Contains(got.Err, "remove 1 dead letters for good: needs --force") {
		t.Errorf("rm without --force = %+v, want exit 2", got)
	}
	if got := f.run(t, "dead", "rm", "--all", "--dry-run"); got.Out != "matching   3\n" || f.dead(t) != "z0 z1 z2" {
		t.Errorf("dry run = %+v with letters %q, want three and left", got, f.dead(t))
	}
	if got := f.run(t, "dead", "rm", "--priority", "high", "--force", "-o", "name"); got.Out != "z0\n" || f.dead(t) != "z1 z2" {
		t.Errorf("rm of the high ones = %+v with letters %q, want z0 gone", got, f.dead(t))
	}
	if got := f.run(t, "dead", "rm", "z1", "--force"); got.Out != "removed    1\n" || f.dead(t) != "z2" {
		t.Errorf("rm of one = %+v with letters %q, want z1 gone", got, f.dead(t))
	}
}

// With is input with something on standard input.
func (f fleet) with(stdin string, args ...string) clitest.Input {
	in := f.input(args...)
	in.Stdin = stdin
	return in
}

func TestExportedLettersComeBackAndRun(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.work(t, mortal(f.Client))
	f.bury(t, tasks.Task{ID: "z0", User: "ann", Headers: map[string]string{"tenant": "t\u202e1"}})
	f.bury(t, tasks.Task{ID: "z1"})
	before := f.run(t, "dead", "show", "z0", "-o", "jsonl").Out
	file := filepath.Join(t.TempDir(), "dead.jsonl")
	if got := f.run(t, "dead", "export", "--out", file); got.Code != 0 || got.Out != "" || got.Err != "wrote 2 dead letters to "+file+"\n" {
		t.Fatalf("export = %+v", got)
	}
	if got := f.run(t, "dead", "export", "--out", file); got.Code != 1 || !strings.Contains(got.Err, "--force replaces it") {
		t.Errorf("export over a file = %+v, want it refused", got)
	}
	if got := f.run(t, "dead", "export", "z0"); got.Out != before {
		t.Errorf("export of one = %q, want what show says: %q", got.Out, before)
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.Count(string(text), "\n") != 2 {
		t.Fatalf("the file has %q, %v, want two lines", text, err)
	}
	if got := f.run(t, "dead", "rm", "--all", "-f"); got.Code != 0 || f.dead(t) != "" {
		t.Fatalf("rm = %+v with letters %q", got, f.dead(t))
	}
	if got := f.run(t, "dead", "import", file, "--dry-run"); got.Code != 0 || !strings.Contains(got.Out, "matching   2\n") || f.dead(t) != "" {
		t.Errorf("dry run = %+v with letters %q, want two and none stored", got, f.dead(t))
	}
	for i, want := range []string{`"imported": 2,` + "\n" + `  "skipped": 0`, `"imported": 0,` + "\n" + `  "skipped": 2`} {
		got := f.run(t, "dead", "import", file, "-o", "json")
		if got.Code != 0 || !strings.Contains(got.Out, want) || f.dead(t) != "z0 z1" {
			t.Errorf("import number %d = %+v with letters %q, want %q", i+1, got, f.dead(t), want)
		}
	}
	after := f.run(t, "dead", "show", "z0", "-o", "jsonl").Out
	if clitest.Stable(after) != clitest.Stable(before) || !strings.Contains(after, `\u202e`) {
		t.Errorf("the letter came back as %q, want %q", after, before)
	}
	if got := f.run(t, "dead", "replay", "--all", "--force", "--set", "payload.n=1"); got.Code != 0 {
		t.Errorf("replay = %+v", got)
	}
	f.settle(t, "z0", tasks.Succeeded)
	f.settle(t, "z1", tasks.Succeeded)
}

func TestImportNamesBadLines(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	const good = `{"id":"a","run":"r1","type":"zero","priority":"low","pool":"main","reason":"payload","error":"","attempt":1,"died":"2026-02-03T04:05:06Z","payload_base64":"/w==","attempts":null}`
	got := clitest.Run(t, run, f.with("\n"+good+"\n{\"id\":5}\nsecret\n"+strings.Replace(good, `"a"`, `"*"`, 1)+"\n", "dead", "import", "-"))
	if got.Code != 2 || f.dead(t) != "a" {
		t.Errorf("import = %+v with letters %q, want exit 2 and the good one", got, f.dead(t))
	}
	clitest.Contains(t, got.Out, "imported   1\n", "skipped    0\n", "bad        3\n")
	clitest.Contains(t, got.Err, "line 3: id: ", "line 4: line: not JSON", `line 5: id: "*" is not`, "3 bad lines were left out, 1 letters were imported")
	if strings.Contains(got.Err, "secret") {
		t.Errorf("a value came through: %q", got.Err)
	}
	clitest.Contains(t, f.run(t, "dead", "show", "a", "-o", "json").Out, `"payload_base64": "/w=="`, `"attempts": []`)
	long := clitest.Run(t, run, f.with(strings.Repeat("x", streams.MaxDeadLine+2), "dead", "import", "-"))
	if long.Code != 1 || !strings.Contains(long.Err, "a line is longer than a dead letter can be") {
		t.Errorf("import of a long line = %+v, want exit 1", long)
	}
}
