package diagram_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"sparkle/tasks/learning/diagram"
)

func TestBoxesNeverOverlapAndStayInThePicture(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := diagram.Graph{}
		for i := range rapid.IntRange(1, 25).Draw(t, "nodes") {
			g.Nodes = append(g.Nodes, fmt.Sprint(i, rapid.SampledFrom([]string{"", " 动量守恒定律与碰撞问题", "\ntwo\nlines"}).Draw(t, "label")))
		}
		node := rapid.IntRange(0, len(g.Nodes)-1)
		for range rapid.IntRange(0, 60).Draw(t, "edges") {
			g.Edges = append(g.Edges, diagram.Edge{
				From: node.Draw(t, "from"), To: node.Draw(t, "to"),
				Label: rapid.SampledFrom([]string{"", "", "先修 prerequisite"}).Draw(t, "label"),
			})
		}
		svg, err := diagram.Draw(t.Context(), g)
		if err != nil {
			t.Fatal(err)
		}
		d, err := read(svg)
		if err != nil || len(d.boxes) != len(g.Nodes) || d.heads != len(g.Edges) {
			t.Fatalf("picture has %d boxes, %d arrows, %v", len(d.boxes), d.heads, err)
		}
		for i, a := range d.boxes {
			if a.x < 0 || a.y < 0 || a.x+a.w > d.width || a.y+a.h > d.height {
				t.Fatalf("box %+v is outside of %v × %v", a, d.width, d.height)
			}
			for _, b := range d.boxes[:i] {
				if a.x < b.x+b.w && b.x < a.x+a.w && a.y < b.y+b.h && b.y < a.y+a.h {
					t.Fatalf("boxes %+v and %+v overlap", a, b)
				}
			}
		}
	})
}

func TestEdgesPointDown(t *testing.T) {
	g := diagram.Graph{
		Nodes: []string{"root", "left", "right", "deep", "late"},
		Edges: []diagram.Edge{edge(0, 1, ""), edge(0, 2, ""), edge(1, 3, ""), edge(2, 3, "label"), edge(0, 3, ""), edge(4, 3, "")},
	}
	d := draw(t, g)
	for _, e := range g.Edges {
		from, to := d.box(t, g.Nodes[e.From]), d.box(t, g.Nodes[e.To])
		if from.y+from.h >= to.y {
			t.Errorf("box of %s is not above that of %s", from.title, to.title)
		}
	}
	// A node that only leads down stands right above where it leads.
	if late, left := d.box(t, "late"), d.box(t, "left"); late.y != left.y {
		t.Errorf("late is at %v, want %v beside left", late.y, left.y)
	}
}

func TestCircleKeepsItsFirstEdgesDown(t *testing.T) {
	d := draw(t, diagram.Graph{Nodes: []string{"a", "b", "c"}, Edges: []diagram.Edge{edge(0, 1, ""), edge(1, 2, ""), edge(2, 0, "")}})
	if a, b, c := d.box(t, "a"), d.box(t, "b"), d.box(t, "c"); !(a.y < b.y && b.y < c.y) || d.heads != 3 {
		t.Errorf("circle is drawn as %+v with %d arrows, want a above b above c and 3", d.boxes, d.heads)
	}
}

func TestOrderRemovesCrossings(t *testing.T) {
	d := draw(t, diagram.Graph{
		Nodes: []string{"root", "a", "b", "c", "x", "y", "z"},
		Edges: []diagram.Edge{edge(0, 1, ""), edge(0, 2, ""), edge(0, 3, ""), edge(1, 6, ""), edge(2, 5, ""), edge(3, 4, ""), edge(1, 5, "")},
	})
	above, below := []string{"a", "b", "c"}, []string{"z", "y", "x"}
	for i := range above[1:] {
		a := d.box(t, above[i]).x < d.box(t, above[i+1]).x
		b := d.box(t, below[i]).x < d.box(t, below[i+1]).x
		if a != b {
			t.Errorf("edges from %s and %s cross", above[i], above[i+1])
		}
	}
}

func TestChildStandsUnderItsParent(t *testing.T) {
	d := draw(t, diagram.Graph{Nodes: []string{"parent", "only child"}, Edges: []diagram.Edge{edge(0, 1, "")}})
	p, c := d.box(t, "parent"), d.box(t, "only child")
	if got, want := c.x+c.w/2, p.x+p.w/2; got-want > 0.2 || want-got > 0.2 {
		t.Errorf("centre of the child is %v, want %v", got, want)
	}
}
