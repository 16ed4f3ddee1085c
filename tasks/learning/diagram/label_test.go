package diagram_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"sparkle/tasks/learning/diagram"
)

func TestLinesWrapAndClip(t *testing.T) {
	for _, c := range []struct {
		name, label string
		want        []string
	}{
		{"short", "Energy", []string{"Energy"}},
		{"nothing", "", []string{""}},
		{"only space", " \t\n ", []string{""}},
		{"words", "Fundamental theorem   of calculus", []string{"Fundamental theorem", "of calculus"}},
		{"a word too long for a line", strings.Repeat("x", 30), []string{strings.Repeat("x", 21), strings.Repeat("x", 9)}},
		{"a line that ends before a space", strings.Repeat("x", 20) + "M tail", []string{strings.Repeat("x", 20) + "M", "tail"}},
		{"Chinese breaks anywhere", "动量守恒定律与碰撞问题的综合应用", []string{"动量守恒定律与碰撞问题的综", "合应用"}},
		{"Chinese and English", "牛顿第二定律 Newton's second law", []string{"牛顿第二定律 Newton's", "second law"}},
		{"line breaks are kept", "one\r\ntwo\nthree", []string{"one", "two", "three"}},
		{"too many lines", "1\n2\n3\n4", []string{"1", "2", "3…"}},
		{"too long", strings.Repeat("学", 200), []string{strings.Repeat("学", 13), strings.Repeat("学", 13), strings.Repeat("学", 12) + "…"}},
		{"controls and marks of direction go", "a\x00b\x1b[31m\u202Ec\uFEFF\uFFFFd", []string{"ab[31mcd"}},
		{"marks stay with their letter", strings.Repeat("e\u0301", 30), []string{strings.Repeat("e\u0301", 21), strings.Repeat("e\u0301", 9)}},
		{"broken UTF-8", "a\xffb", []string{"a\uFFFDb"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, diagram.Lines(c.label)); diff != "" {
				t.Errorf("Lines(%q) differ (-want +got):\n%s", c.label, diff)
			}
		})
	}
}

// Hostile labels try to become something else than text.
var hostile = []string{
	`<script>alert(1)</script>`, `</text><script>alert(1)</script>`, `"><svg onload="x()">`, `' onclick='x()`,
	`<b>x</b>`, `<<b>x</b>>`, `]]>`, `<!--`, `&lt;script&gt;`, `&#x3c;`, `\N \G \E`, `%s%d%!`, "<?xml?>", "牛顿第二定律", "😀👨‍👩‍👧", "\u202Eevil",
}

func TestHostileLabelsStayText(t *testing.T) {
	for _, label := range hostile {
		d := draw(t, diagram.Graph{Nodes: []string{label, "b"}, Edges: []diagram.Edge{edge(0, 1, label), edge(1, 1, label), edge(1, 0, "")}})
		want := strings.TrimPrefix(label, "\u202E")
		if got := d.boxes[0]; got.title != want || got.lines[0] == "" {
			t.Errorf("node with label %q became %+v", label, got)
		}
		if len(d.boxes) != 2 || d.heads != 3 || len(d.labels) != 2 {
			t.Errorf("labels %q became %d boxes, %d arrows, %d labels, want 2, 3, 2", label, len(d.boxes), d.heads, len(d.labels))
		}
	}
}

func TestLongLabelIsWholeInTheTooltip(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("热力学 entropy ", 20))
	b := draw(t, diagram.Graph{Nodes: []string{long}}).boxes[0]
	if b.title != long || len(b.lines) != 3 || !strings.HasSuffix(b.lines[2], "…") || b.w > 220 {
		t.Errorf("long label became %+v, want three clipped lines and the whole title", b)
	}
}

func FuzzLabel(f *testing.F) {
	for _, label := range hostile {
		f.Add(label)
	}
	f.Fuzz(func(t *testing.T, label string) {
		d := draw(t, diagram.Graph{Nodes: []string{label, "b"}, Edges: []diagram.Edge{edge(0, 1, label), edge(0, 0, label)}})
		if len(d.boxes) != 2 || d.heads != 2 {
			t.Errorf("label %q made %d boxes and %d arrows, want 2 of each", label, len(d.boxes), d.heads)
		}
		for _, line := range diagram.Lines(label) {
			if !utf8.ValidString(line) || strings.ContainsAny(line, "\n\x00") {
				t.Errorf("Lines(%q) has %q", label, line)
			}
		}
	})
}
