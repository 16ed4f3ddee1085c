package streams_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"sparkle/streams"
	"sparkle/tasks"
)

// ExportedLetter is a line as an export writes it, with its fields changed.
func exportedLetter(t testing.TB, change func(map[string]any)) []byte {
	t.Helper()
	line := map[string]any{
		"sequence": 7, "id": "one", "run": "first", "type": "count", "priority": "low", "pool": "main", "reason": "attempts",
		"error": "no luck", "attempt": 3, "died": "2026-02-03T04:05:06.789Z", "payload": map[string]any{"n": 1}, "attempts": []any{},
	}
	change(line)
	data, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestALetterSurvivesExportAndImport(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	for name, change := range map[string]func(*nats.Msg){
		"plain":       func(*nats.Msg) {},
		"no-payload":  func(m *nats.Msg) { m.Data = nil },
		"no-json":     func(m *nats.Msg) { m.Data = []byte(`{"n":`) },
		"no-utf8":     func(m *nats.Msg) { m.Data = []byte("\xff\x00\xfe") },
		"bad-string":  func(m *nats.Msg) { m.Data = []byte("\"\xff\"") },
		"big-numbers": func(m *nats.Msg) { m.Data = []byte(`{"n":12345678901234567890,"x":"tea\u202e"}`) },
		"everything": func(m *nats.Msg) {
			m.Header = nats.Header{
				streams.HeaderRun: {"r"}, streams.HeaderAttempt: {"4"}, streams.HeaderMaxAttempts: {"4"}, streams.HeaderTimeout: {"1m30s"},
				streams.HeaderExpires: {"2026-01-02T03:04:05.6Z"}, streams.HeaderUser: {"李雷"}, streams.HeaderReason: {"lease lost"},
				streams.HeaderError: {"no luck"}, streams.HeaderReplayed: {"before"}, streams.HeaderReplayedBy: {"ann"}, "tenant": {"t1"},
				streams.HeaderHistory: {`[{"attempt":4,"outcome":"lost","worker":"w1","started":"2026-01-02T03:04:05Z","error":"gone"}]`},
			}
		},
	} {
		want := h.letter(name, "first", change)
		exported, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		letter, err := streams.DecodeDead(exported)
		if err != nil {
			t.Errorf("%s: DecodeDead(%s): %v", name, exported, err)
			continue
		}
		if stored, err := h.Client.ImportDead(h.ctx, letter); stored || err != nil {
			t.Errorf("%s: ImportDead of what is there = %v, %v, want it left", name, stored, err)
		}
		if err := h.Client.RemoveDead(h.ctx, want); err != nil {
			t.Fatal(err)
		}
		for i, wantStored := range []bool{true, false} {
			if stored, err := h.Client.ImportDead(h.ctx, letter); stored != wantStored || err != nil {
				t.Errorf("%s: import number %d = %v, %v, want %v", name, i+1, stored, err, wantStored)
			}
		}
		got := h.deadLetters(name)
		if len(got) != 1 {
			t.Errorf("%s: %d letters, want one", name, len(got))
			continue
		}
		got[0].Sequence = want.Sequence
		if diff := cmp.Diff(want, got[0]); diff != "" {
			t.Errorf("%s: export and import changed the letter (-want +got):\n%s", name, diff)
		}
	}
}

// Each letter of an id is one, whichever of them is there.
func TestImportTellsTheLettersOfAnIDApart(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	letter, err := streams.DecodeDead(exportedLetter(t, func(map[string]any) {}))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for i := range 10 {
			letter.Run, letter.Attempt = fmt.Sprintf("run-%d", i/2), 1+i%2
			if _, err := h.Client.ImportDead(h.ctx, letter); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := len(h.deadLetters("one")); got != 10 {
		t.Errorf("%d letters after both imports, want 10", got)
	}
	letter.Run = "one-too-many"
	var invalid *tasks.InvalidError
	if _, err := h.Client.ImportDead(h.ctx, letter); !errors.As(err, &invalid) || invalid.Field != "id" || len(h.deadLetters("one")) != 10 {
		t.Errorf("ImportDead of the eleventh = %v with %d letters, want it refused and 10 kept", err, len(h.deadLetters("one")))
	}
}

func TestHostileLinesAreRefused(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("secret", 30)
	set := func(field string, value any) []byte {
		return exportedLetter(t, func(line map[string]any) { line[field] = value })
	}
	without := func(field string) []byte {
		return exportedLetter(t, func(line map[string]any) { delete(line, field) })
	}
	for _, c := range []struct {
		name  string
		line  []byte
		field string
	}{
		{"no JSON", []byte(`{"id":"secret`), "line"},
		{"no object", []byte(`["secret"]`), "line"},
		{"null", []byte(`null`), "type"},
		{"two values", append(exportedLetter(t, func(map[string]any) {}), "{}"...), "line"},
		{"too long", []byte(strings.Repeat(" ", streams.MaxDeadLine+1)), "line"},
		{"unknown field", set("sekret", 1), "sekret"},
		{"a wildcard as id", set("id", "*"), "id"},
		{"a subject as type", set("type", "a.b"), "type"},
		{"a priority that is none", set("priority", "urgent"), "priority"},
		{"an attempt of zero", set("attempt", 0), "attempt"},
		{"an attempt of letters", set("attempt", "secret"), "attempt"},
		{"a negative timeout", set("timeout_ns", -1), "timeout"},
		{"a run with a line break", set("run", "a\r\nNats-Rollup: all"), "run"},
		{"a long run", set("run", secret), "run"},
		{"a reason with a line break", set("reason", "a\nb"), "reason"},
		{"a lineage with a line break", set("replayed", "a\nb"), "replayed"},
		{"a user with a line break", set("user", "a\nb"), "user"},
		{"a header of the server", set("headers", map[string]string{"Nats-Rollup": "all"}), "headers"},
		{"a header with a line break", set("headers", map[string]string{"a": "b\nc"}), "headers"},
		{"a time that is none", set("died", "secret"), "line"},
		{"base64 that is none", set("payload_base64", "*secret*"), "line"},
		{"no id", without("id"), "id"},
		{"no run", without("run"), "run"},
		{"no pool", without("pool"), "pool"},
		{"no priority", without("priority"), "priority"},
		{"no reason", without("reason"), "reason"},
		{"no time of death", without("died"), "died"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := streams.DecodeDead(c.line)
			var invalid *tasks.InvalidError
			if !errors.As(err, &invalid) || invalid.Field != c.field || strings.Contains(err.Error(), "secret") {
				t.Errorf("DecodeDead(%.200s) = %v, want field %s refused without its value", c.line, err, c.field)
			}
		})
	}
}

func TestALetterThatDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	letter, err := streams.DecodeDead(exportedLetter(t, func(map[string]any) {}))
	if err != nil {
		t.Fatal(err)
	}
	var invalid *tasks.InvalidError
	letter.Attempts = []streams.Attempt{{Error: strings.Repeat("x", 65<<10)}}
	if _, err := h.Client.ImportDead(h.ctx, letter); !errors.As(err, &invalid) || invalid.Field != "attempts" {
		t.Errorf("ImportDead with a long history = %v, want it refused", err)
	}
	letter.Attempts, letter.Raw = nil, make([]byte, 600<<10)
	if _, err := h.Client.ImportDead(h.ctx, letter); !errors.As(err, &invalid) || invalid.Field != "payload" {
		t.Errorf("ImportDead of a payload that no task has = %v, want it refused", err)
	}
	letter.ID, letter.Raw = "", nil
	if _, err := h.Client.ImportDead(h.ctx, letter); !errors.As(err, &invalid) || invalid.Field != "id" {
		t.Errorf("ImportDead without an id = %v, want it refused", err)
	}
}

// Whatever a line has, what is read can be stored on its subject and read again.
func FuzzDecodeDead(f *testing.F) {
	f.Add(exportedLetter(f, func(map[string]any) {}))
	f.Add(exportedLetter(f, func(line map[string]any) {
		line["payload_base64"], line["headers"], line["expires"] = "/w==", map[string]string{"a": "b"}, time.Unix(0, 1)
	}))
	f.Add([]byte(`{"attempts":[{"attempt":1}],"died":"9999-12-31T23:59:59Z"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		d, err := streams.DecodeDead(line)
		if err != nil {
			return
		}
		m, err := d.Message(ns)
		if err != nil {
			return
		}
		got, err := ns.Open(m.Subject, 1, m.Header, m.Data)
		if err != nil || got.Task.ID != d.ID || got.Run != d.Run || got.Attempt != d.Attempt {
			t.Errorf("DecodeDead(%q) is stored as %+v, %v", line, got, err)
		}
		for name, values := range m.Header {
			if strings.ContainsAny(name+values[0], "\r\n") {
				t.Errorf("DecodeDead(%q) has a line break in header %q", line, name)
			}
		}
	})
}
