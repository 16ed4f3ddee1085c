package main_test

import (
	"fmt"
	"strings"
	"testing"

	"sparkle/internal/cli/clitest"
)

func TestAtomicPublishesAllLinesOrNone(t *testing.T) {
	f := newFleet(t)
	if got := f.run(t, "", "rerank_documents", rerank, "--id", "taken"); got.Code != 0 {
		t.Fatalf("exit %d: %s", got.Code, got.Err)
	}
	line := func(rest string) string { return good + rest + "}\n" }
	for name, row := range map[string]struct {
		lines string
		code  int
		want  []string
	}{
		"a bad line": {
			line(`,"id":"a"`) + `{"type":5}` + "\n" + line(""), 2,
			[]string{"line 2: type: want a string, got number", "nothing was published, for lines are bad: 1", "hint: mend those lines"},
		},
		"a payload that does not fit": {
			line("") + "\n" + `{"type":"rerank_documents","payload":{}}`, 2,
			[]string{"line 3: payload.documents: missing", "nothing was published"},
		},
		"an id that has not ended": {
			line(`,"id":"a"`) + line(`,"id":"taken"`), 4,
			[]string{"line 2: id: task taken has not ended (run ", "nothing was published, for a line has the id"},
		},
		"an id twice": {
			line(`,"id":"a"`) + line("") + line(`,"id":"a"`), 2,
			[]string{"line 3: id: line 1 has it too", "nothing was published"},
		},
		"too many lines": {
			strings.Repeat(line(""), 1001), 2,
			[]string{"--atomic: more than 1000 tasks"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := f.run(t, row.lines, "--jsonl", "-", "--atomic")
			if got.Code != row.code {
				t.Errorf("exit %d, want %d", got.Code, row.code)
			}
			clitest.Contains(t, got.Err, row.want...)
			if info, err := f.tasks(t).Info(t.Context()); err != nil || info.State.Msgs != 1 {
				t.Errorf("%d tasks are stored (%v), want the one that was", info.State.Msgs, err)
			}
		})
	}
	var lines strings.Builder
	for i := range 1000 {
		_, _ = lines.WriteString(line(fmt.Sprintf(`,"id":"k%d"`, i)))
	}
	got := f.run(t, lines.String(), "--jsonl", "-", "--atomic", "-o", "name")
	if ids := strings.Fields(got.Out); got.Code != 0 || len(ids) != 1000 || ids[999] != "k999" {
		t.Errorf("exit %d with %d ids (%s), want 0 with 1000 in their order", got.Code, len(ids), got.Err)
	}
	if info, err := f.tasks(t).Info(t.Context()); err != nil || info.State.Msgs != 1001 {
		t.Errorf("%d tasks are stored (%v), want 1001", info.State.Msgs, err)
	}
}

func TestAtomicIsForAFile(t *testing.T) {
	got := alone(t, "rerank_documents", rerank, "--atomic")
	if got.Code != 2 {
		t.Errorf("exit %d, want 2", got.Code)
	}
	clitest.Contains(t, got.Err, "--atomic: it is for the lines of --jsonl")
}
