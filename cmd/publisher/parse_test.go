package main_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	publisher "sparkle/cmd/publisher"
	"sparkle/tasks"
)

var parsed = time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)

func TestALineHasAllThatATaskHas(t *testing.T) {
	base := tasks.Task{
		Type: "base", Priority: tasks.Low, Pool: "gpu", User: "bob", Expires: parsed.Add(time.Minute),
		Headers: map[string]string{"tenant": "a", "trace": "1"},
	}
	for _, row := range []struct {
		name, line string
		want       func(*tasks.Task)
	}{
		{"nothing", `{}`, func(*tasks.Task) {}},
		{"nulls", `{"type":null,"payload":null,"headers":null,"at":null,"max_attempts":null}`, func(w *tasks.Task) { w.Payload = []byte("null") }},
		{
			"everything", ` {"type":"t","payload":{"a":1},"priority":"high","pool":"p","id":"i","user":"ann","headers":{"trace":"2"},` +
				`"at":"90s","expires":"2026-05-01T10:00:00+01:00","timeout":"1m30s","max_attempts":3} `,
			func(w *tasks.Task) {
				*w = tasks.Task{
					Type: "t", Payload: []byte(`{"a":1}`), Priority: tasks.High, Pool: "p", ID: "i", User: "ann",
					Headers: map[string]string{"tenant": "a", "trace": "2"}, At: parsed.Add(90 * time.Second),
					Expires: parsed.Add(time.Hour), Timeout: 90 * time.Second, MaxAttempts: 3,
				}
			},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			want := base
			row.want(&want)
			got, err := publisher.ParseLine([]byte(row.line), base, parsed)
			if err != nil {
				t.Fatalf("ParseLine(%s): %v", row.line, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("ParseLine(%s) (-want +got):\n%s", row.line, diff)
			}
		})
	}
	if base.Headers["trace"] != "1" {
		t.Error("a line changed the headers of the flags")
	}
}

func TestALineThatIsNoneNamesTheField(t *testing.T) {
	for line, want := range map[string]string{
		`{"at":"soon"}`:                     "at: want a duration such as 2h or a time",
		`{"at":""}`:                         "at: want a duration",
		`{"at":5}`:                          "at: want a string, got number",
		`{"expires":"-1s"}`:                 "expires: has passed",
		`{"expires":"2020-01-01T00:00:00"}`: "expires: want a duration",
		`{"timeout":"5"}`:                   "timeout: want a duration above 0 such as 30s",
		`{"timeout":"-5s"}`:                 "timeout: want a duration above 0",
		`{"max_attempts":1.5}`:              "max_attempts: want a whole number, got number",
		`{"max_attempts":"3"}`:              "max_attempts: want a whole number, got string",
		`{"headers":{"a":1}}`:               "headers: want an object of strings",
		`{"headers":[]}`:                    "headers: want an object of strings",
		`{"id":{"secret":1}}`:               "id: want a string, got object",
		`{"typ":"secret"}`:                  "typ: unknown field; a line has type, payload,",
		`{"":1}`:                            `"": unknown field`,
		`{"payload":{"secret":}}`:           "line: not JSON at byte 22",
		`{"id":"a"}{`:                       "line: not JSON at byte 11",
		`"secret"`:                          "line: want an object, got string",
		`{`:                                 "line: not JSON at byte 1",
	} {
		_, err := publisher.ParseLine([]byte(line), tasks.Task{}, parsed)
		var invalid *tasks.InvalidError
		if !errors.As(err, &invalid) || !strings.HasPrefix(invalid.Error(), want) || strings.Contains(invalid.Error(), "secret") {
			t.Errorf("ParseLine(%s) = %v, want %s…", line, err, want)
		}
	}
}

// Whatever a line says, it is a task or an error that names a field; what is no
// JSON is never a task.
func FuzzParseLine(f *testing.F) {
	f.Add([]byte(good + `,"id":"a","at":"2h","headers":{"a":"b"}}`))
	f.Add([]byte(`{} {}`))
	f.Add([]byte(`{"":{}}`))
	f.Add([]byte(`{"max_attempts":1e9,"timeout":"9999999h"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		_, err := publisher.ParseLine(line, tasks.Task{}, parsed)
		var invalid *tasks.InvalidError
		if err != nil && (!errors.As(err, &invalid) || invalid.Field == "" || invalid.Want == "") {
			t.Errorf("ParseLine(%q) = %v, want an InvalidError with its field", line, err)
		}
		if err == nil && !json.Valid(line) {
			t.Errorf("ParseLine(%q) is a task, want an error: it is no JSON", line)
		}
	})
}

// A line with a payload of 256 bytes.
func BenchmarkParseLine(b *testing.B) {
	line := []byte(`{"type":"rerank_documents","payload":{"query":"` + strings.Repeat("x", 229) + `","documents":[]},"id":"k123456"}`)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := publisher.ParseLine(line, tasks.Task{}, parsed); err != nil {
			b.Fatal(err)
		}
	}
}
