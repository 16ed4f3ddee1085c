package main_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sparkle/internal/cli/clitest"
	"sparkle/tasks"
)

func TestPublishPrintsTheReceiptInEachFormat(t *testing.T) {
	f := newFleet(t)
	for format, want := range map[string]string{
		"table": "t-table\n",
		"name":  "t-name\n",
		"json": "{\n  \"id\": \"t-json\",\n  \"run\": \"RUN\",\n  \"type\": \"rerank_documents\",\n  \"priority\": \"low\",\n" +
			"  \"pool\": \"main\",\n  \"sequence\": 0\n}\n",
		"jsonl": `{"id":"t-jsonl","run":"RUN","type":"rerank_documents","priority":"low","pool":"main","sequence":0}` + "\n",
	} {
		got := f.run(t, "", "rerank_documents", rerank, "--id", "t-"+format, "-o", format)
		got.Out = clitest.Stable(got.Out)
		if diff := cmp.Diff(clitest.Result{Out: want}, got); diff != "" {
			t.Errorf("-o %s (-want +got):\n%s", format, diff)
		}
	}
}

func TestPublishTakesEveryFlagToTheTask(t *testing.T) {
	f := newFleet(t)
	got := f.run(t, "", "rerank_documents", rerank, "--id", "all", "--priority", "high", "--pool", "gpu", "--user", "ann",
		"--header", "tenant=a=b,c", "--header", "trace=1", "--expires", "2h")
	if got.Code != 0 {
		t.Fatalf("exit %d: %s", got.Code, got.Err)
	}
	info, err := f.Client.Task(t.Context(), "all")
	if err != nil {
		t.Fatal(err)
	}
	if info.Priority != tasks.High || info.Pool != "gpu" || info.User != "ann" {
		t.Errorf("task is %+v, want high, gpu, ann", info)
	}
	message := f.last(t, "all")
	if message.Get("tenant") != "a=b,c" || message.Get("trace") != "1" {
		t.Errorf("headers are %v, want tenant and trace", message)
	}
	expires, err := time.Parse(time.RFC3339Nano, message.Get("Sparkle-Expires"))
	if left := time.Until(expires); err != nil || left < time.Hour || left > 2*time.Hour {
		t.Errorf("expires in %v (%v), want 2h", left, err)
	}
}

func TestPayloadComesFromArgumentFileOrStandardInput(t *testing.T) {
	f := newFleet(t)
	file := filepath.Join(t.TempDir(), "payload.json")
	if err := os.WriteFile(file, []byte(rerank), 0o600); err != nil {
		t.Fatal(err)
	}
	for id, argument := range map[string]string{"arg": rerank, "file": "@" + file, "stdin": "-"} {
		if got := f.run(t, rerank, "rerank_documents", argument, "--id", id); got.Code != 0 {
			t.Fatalf("exit %d: %s", got.Code, got.Err)
		}
		info, err := f.Client.Task(t.Context(), id)
		if err != nil || string(info.Payload) != rerank {
			t.Errorf("payload of %s is %s (%v), want %s", id, info.Payload, err, rerank)
		}
	}
}

func TestWhatCannotRunIsRefusedWithoutAServer(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large.json")
	if err := errors.Join(os.WriteFile(large, nil, 0o600), os.Truncate(large, 33<<20)); err != nil {
		t.Fatal(err)
	}
	const other = `{"query":"x","documents":[],"more":1}`
	for name, row := range map[string]struct {
		args []string
		want []string
	}{
		"nothing":           {nil, []string{"want a TYPE, or --jsonl FILE", "rerank_documents"}},
		"a hostile type":    {[]string{"a\x1b[31m.b", "{}"}, []string{`type: "a\x1b[31m.b" is not 1 to 128 letters`}},
		"no payload":        {[]string{"rerank_documents"}, []string{"payload: want object, got null"}},
		"broken JSON":       {[]string{"rerank_documents", `{"query":`}, []string{"payload: not JSON at byte 9"}},
		"two values":        {[]string{"rerank_documents", `{} {}`}, []string{"payload: more than one JSON value"}},
		"a missing field":   {[]string{"rerank_documents", `{"query":"x"}`}, []string{"payload.documents: missing", "the schema of rerank_documents refuses it"}},
		"a wrong field":     {[]string{"rerank_documents", `{"query":5,"documents":[]}`}, []string{"payload.query: want string, got number"}},
		"an unknown field":  {[]string{"rerank_documents", other}, []string{"payload.more: unknown field"}},
		"too deep":          {[]string{"rerank_documents", strings.Repeat("[", 65) + strings.Repeat("]", 65)}, []string{"payload: nested deeper than 64"}},
		"a missing file":    {[]string{"rerank_documents", "@/none/at/all"}, []string{"read the payload: open /none/at/all: no such file or directory"}},
		"a directory":       {[]string{"rerank_documents", "@/"}, []string{"read the payload from /"}},
		"a large file":      {[]string{"rerank_documents", "@" + large}, []string{"payload: 33554433 bytes are more than 33554432"}},
		"a bad id":          {[]string{"rerank_documents", rerank, "--id", "a.b"}, []string{`id: "a.b" is not`}},
		"a bad priority":    {[]string{"rerank_documents", rerank, "--priority", "urgent"}, []string{"--priority", "urgent"}},
		"a bad pool":        {[]string{"rerank_documents", rerank, "--pool", "*"}, []string{`pool: "*" is not`}},
		"a hostile user":    {[]string{"rerank_documents", rerank, "--user", "a\x1bb"}, []string{"user: want at most 256 bytes without control characters"}},
		"a bad header":      {[]string{"rerank_documents", rerank, "--header", "x"}, []string{`--header "x": want NAME=VALUE`}},
		"a reserved header": {[]string{"rerank_documents", rerank, "--header", "Nats-Rollup=all"}, []string{"reserved"}},
		"a bad time":        {[]string{"rerank_documents", rerank, "--expires", "soon"}, []string{"--expires: want a duration such as 2h"}},
		"a time gone by":    {[]string{"rerank_documents", rerank, "--expires", "2020-01-01T00:00:00Z"}, []string{"--expires: 2020-01-01T00:00:00Z has passed"}},
		"no time to wait":   {[]string{"rerank_documents", rerank, "--timeout", "0s"}, []string{"--timeout: 0s is not above 0"}},
		"no patience":       {[]string{"rerank_documents", rerank, "--patience", "0s"}, []string{"--patience: 0s is not above 0"}},
		"three arguments":   {[]string{"rerank_documents", "{}", "{}"}, []string{"unexpected argument {}"}},
		"a misspelt flag":   {[]string{"rerank_documents", "--prioriti", "high"}, []string{`unknown flag --prioriti, did you mean "--priority"`}},
	} {
		t.Run(name, func(t *testing.T) {
			got := alone(t, row.args...)
			if got.Code != 2 || got.Out != "" {
				t.Errorf("exit %d with %q on stdout, want 2 with nothing: %s", got.Code, got.Out, got.Err)
			}
			clitest.Contains(t, got.Err, row.want...)
			if strings.ContainsRune(got.Err, '\x1b') {
				t.Errorf("a terminal escape came through: %q", got.Err)
			}
		})
	}
}

// A type that this program was not built with is known where workers run it.
func TestATypeIsKnownHereOrByWorkers(t *testing.T) {
	f := newFleet(t)
	var r tasks.Registry
	type order struct {
		Item string `json:"item"`
	}
	tasks.Handle(&r, tasks.Type[order, order]{Name: "order", Priority: tasks.High}, func(_ context.Context, in order) (order, error) { return in, nil })
	if err := f.Client.Announce(t.Context(), &r, "1.0.0"); err != nil {
		t.Fatal(err)
	}
	got := f.run(t, "", "order", `{"item":"tea"}`, "-o", "json")
	if got.Code != 0 {
		t.Errorf("exit %d, want 0: %s", got.Code, got.Err)
	}
	clitest.Contains(t, got.Out, `"priority": "high"`)
	got = f.run(t, "", "order", `{"item":1}`)
	if got.Code != 2 || got.Out != "" {
		t.Errorf("exit %d with %q on stdout, want 2 with nothing", got.Code, got.Out)
	}
	clitest.Contains(t, got.Err, "payload.item: want string, got number", "sparkle type show order", "--force")
	got = f.run(t, "", "nope", `{}`)
	if got.Code != 2 || got.Out != "" {
		t.Errorf("exit %d with %q on stdout, want 2 with nothing", got.Code, got.Out)
	}
	clitest.Contains(t, got.Err, `type: unknown type "nope"`, "known here: record_token_usage, rerank_documents", "announced by workers: order", "--force")
}

func TestALargePayloadComesFromAFileAndALine(t *testing.T) {
	f := newFleet(t)
	payload := `{"query":"x","documents":[{"id":"a","text":"` + strings.Repeat("green tea ", 200_000) + `"}]}`
	dir := t.TempDir()
	file, lines := filepath.Join(dir, "payload.json"), filepath.Join(dir, "tasks.jsonl")
	line := func(id string) string {
		return `{"type":"rerank_documents","id":"` + id + `","payload":` + payload + "}\n"
	}
	many := ""
	for _, id := range []string{"l1", "l2", "l3", "l4", "l5", "l6"} { // more than are held at a time
		many += line(id)
	}
	if err := errors.Join(os.WriteFile(file, []byte(payload), 0o600), os.WriteFile(lines, []byte(many), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"rerank_documents", "@" + file, "--id", "one", "--force"}, {"--jsonl", lines, "--force"}} {
		if got := f.run(t, "", args...); got.Code != 0 {
			t.Fatalf("%q: exit %d: %s", args, got.Code, got.Err)
		}
	}
	for _, id := range []string{"one", "l1", "l6"} {
		if info, err := f.Client.Task(t.Context(), id); err != nil || string(info.Payload) != payload {
			t.Errorf("payload of %s has %d bytes (%v), want %d", id, len(info.Payload), err, len(payload))
		}
	}
}

func TestAbsentServerIsAnErrorThatNamesIt(t *testing.T) {
	got := alone(t, "rerank_documents", rerank)
	if got.Code != 1 {
		t.Errorf("exit %d, want 1", got.Code)
	}
	clitest.Contains(t, got.Err, "connect to nats://127.0.0.1:1: no server answers there", "consumer --dev")
}

func TestForcePublishesWhatIsNotKnown(t *testing.T) {
	f := newFleet(t)
	for _, args := range [][]string{{"nope", `{"x":1}`, "--force"}, {"rerank_documents", `{"query":5}`, "--force"}} {
		if got := f.run(t, "", args...); got.Code != 0 || got.Out == "" {
			t.Errorf("%q: exit %d, %q; want 0 and an id", args, got.Code, got.Err)
		}
	}
	if got := f.run(t, "", "nope", "{", "--force"); got.Code != 2 {
		t.Errorf("exit %d for what is no JSON, want 2", got.Code)
	}
}

func TestAChosenIDIsRefusedWhileItsTaskHasNotEnded(t *testing.T) {
	f := newFleet(t)
	if got := f.run(t, "", "rerank_documents", rerank, "--id", "one"); got.Code != 0 {
		t.Fatalf("exit %d: %s", got.Code, got.Err)
	}
	got := f.run(t, "", "rerank_documents", rerank, "--id", "one")
	if got.Code != 4 || got.Out != "" {
		t.Errorf("exit %d with %q on stdout, want 4 with nothing", got.Code, got.Out)
	}
	clitest.Contains(t, got.Err, "task one has not ended (run ", "sparkle task await one")
}

func TestWaitPrintsTheResult(t *testing.T) {
	f := newFleet(t)
	f.work(t)
	const want = `{"status":"success","results":[{"id":"b","score":0.03278688524590164,"rank":1,"bm25":1.3862943611198906,"coverage":1},` +
		`{"id":"a","score":0,"rank":2,"bm25":0,"coverage":0}]}` + "\n"
	if got := f.run(t, "", "rerank_documents", rerank, "--wait", "-o", "jsonl"); got.Code != 0 || got.Out != want {
		t.Errorf("exit %d and %s, want 0 and %s", got.Code, got.Out, want)
	}
	got := f.run(t, "", "rerank_documents", rerank, "--wait", "-o", "name", "--id", "w")
	if got.Out != "w\n" {
		t.Errorf("-o name printed %q, want w", got.Out)
	}
	clitest.Contains(t, got.Err, "published w to low-main, waiting up to 30s")
}

func TestWaitExitsWithWhatBecameOfTheTask(t *testing.T) {
	f := newFleet(t)
	got := f.run(t, "", "rerank_documents", rerank, "--wait", "--timeout", "50ms", "--id", "slow")
	if got.Code != 5 || got.Out != "" {
		t.Errorf("exit %d with %q on stdout, want 5 with nothing", got.Code, got.Out)
	}
	clitest.Contains(t, got.Err, "task slow has not ended within 50ms", "sparkle task await slow")
	f.work(t)
	got = f.run(t, "", "rerank_documents", `{"query":5}`, "--force", "--wait", "--id", "bad")
	if got.Code != 6 || got.Out != "" {
		t.Errorf("exit %d with %q on stdout, want 6 with nothing", got.Code, got.Out)
	}
	clitest.Contains(t, got.Err, "task bad is dead (payload): payload.documents: missing", "sparkle task show bad")
}
