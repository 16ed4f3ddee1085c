package diagram_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"sparkle/tasks/learning/diagram"
)

// A box is a node as it was drawn.
type box struct {
	title      string
	lines      []string
	x, y, w, h float64
}

// A drawing is what a picture has, read back.
type drawing struct {
	width, height float64
	boxes         []box
	heads         int // arrow heads
	labels        []string
}

// Draw draws g and reads the picture, which must be XML of the few elements and
// attributes that cannot do anything.
func draw(t testing.TB, g diagram.Graph) drawing {
	t.Helper()
	svg, err := diagram.Draw(t.Context(), g)
	if err != nil {
		t.Fatalf("Draw(%d nodes, %d edges) = %v, want nil", len(g.Nodes), len(g.Edges), err)
	}
	d, err := read(svg)
	if err != nil {
		t.Fatalf("Draw wrote a bad picture: %v\n%.2000s", err, svg)
	}
	return d
}

func read(svg []byte) (drawing, error) {
	var d drawing
	var path []string
	var texts []string
	title := ""
	for decoder := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return d, nil
		}
		if err != nil {
			return d, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			path = append(path, token.Name.Local)
			if err := d.element(token); err != nil {
				return d, err
			}
		case xml.CharData:
			switch strings.Join(path, " ") {
			case "svg g g g title":
				title = string(token)
			case "svg g g g text":
				texts = append(texts, string(token))
			}
		case xml.EndElement:
			if len(path) == 4 && token.Name.Local == "g" {
				d.group(title, texts)
				title, texts = "", nil
			}
			path = path[:len(path)-1]
		}
	}
}

// Group takes what a node or a label had.
func (d *drawing) group(title string, texts []string) {
	if n := len(d.boxes); n > 0 && d.boxes[n-1].lines == nil {
		d.boxes[n-1].title, d.boxes[n-1].lines = title, append([]string{}, texts...)
		return
	}
	d.labels = append(d.labels, strings.Join(texts, "\n"))
}

func (d *drawing) element(e xml.StartElement) error {
	attributes := map[string]string{}
	for _, a := range e.Attr {
		name := a.Name.Local
		if strings.HasPrefix(name, "on") || strings.Contains(name, "href") || name == "style" || strings.Contains(a.Value, "url(") {
			return fmt.Errorf("element %s has attribute %s", e.Name.Local, name)
		}
		attributes[name] = a.Value
	}
	number := func(name string) float64 { f, _ := strconv.ParseFloat(attributes[name], 64); return f }
	switch e.Name.Local {
	case "svg":
		d.width, d.height = number("width"), number("height")
	case "rect":
		if attributes["rx"] != "" {
			d.boxes = append(d.boxes, box{x: number("x"), y: number("y"), w: number("width"), h: number("height")})
		}
	case "path":
		if strings.Contains(attributes["d"], "NaN") || strings.Contains(attributes["d"], "Inf") {
			return errors.New("a path has a place that is no number")
		}
		if strings.HasSuffix(attributes["d"], "Z") {
			d.heads++
		}
	case "g", "title", "text":
	default:
		return fmt.Errorf("picture has element %s", e.Name.Local)
	}
	return nil
}

func (d drawing) box(t *testing.T, title string) box {
	t.Helper()
	for _, b := range d.boxes {
		if b.title == title {
			return b
		}
	}
	t.Fatalf("no box has the title %q", title)
	return box{}
}

func edge(from, to int, label string) diagram.Edge {
	return diagram.Edge{From: from, To: to, Label: label}
}

// Random returns a graph with labelled edges, the same for the same numbers.
func random(nodes, edges int) diagram.Graph {
	r := rand.New(rand.NewPCG(uint64(nodes), uint64(edges)))
	var g diagram.Graph
	for i := range nodes {
		g.Nodes = append(g.Nodes, fmt.Sprint("node ", i))
	}
	for range edges {
		g.Edges = append(g.Edges, diagram.Edge{From: r.IntN(nodes), To: r.IntN(nodes), Label: "related"})
	}
	return g
}

// Chained is the worst case: a path through all nodes, so that there are as many
// layers, and edges that jump over them.
func chained(nodes, edges int) diagram.Graph {
	g := random(nodes, edges-nodes+1)
	for i := range nodes - 1 {
		g.Edges = append(g.Edges, diagram.Edge{From: i, To: i + 1})
	}
	return g
}

func TestDrawIsTheSameEveryTime(t *testing.T) {
	g := random(60, 150)
	first, err := diagram.Draw(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if again, _ := diagram.Draw(t.Context(), g); !bytes.Equal(first, again) {
			t.Fatal("two pictures of one graph differ")
		}
	}
}

func TestDrawStaysBounded(t *testing.T) {
	for name, g := range map[string]diagram.Graph{
		"random": random(500, 2000), "chained": chained(500, 2000), "loops": random(1, 2000), "two": random(2, 2000),
		"star": star(500), "apart": random(500, 0),
	} {
		t.Run(name, func(t *testing.T) {
			svg, err := diagram.Draw(t.Context(), g)
			if err != nil || len(svg) > 4<<20 {
				t.Errorf("Draw = %d bytes, %v, want at most 4 MiB", len(svg), err)
			}
			if d, err := read(svg); err != nil || len(d.boxes) != len(g.Nodes) || d.heads != len(g.Edges) {
				t.Errorf("picture has %d nodes and %d arrows, %v, want %d and %d", len(d.boxes), d.heads, err, len(g.Nodes), len(g.Edges))
			}
		})
	}
}

func star(nodes int) diagram.Graph {
	g := random(nodes, 0)
	for i := range nodes - 1 {
		g.Edges = append(g.Edges, diagram.Edge{From: 0, To: i + 1, Label: "应用"})
	}
	return g
}

func TestDrawRefusesAnEdgeToNowhere(t *testing.T) {
	for _, e := range []diagram.Edge{{From: 0, To: 1}, {From: -1, To: 0}} {
		g := diagram.Graph{Nodes: []string{"a"}, Edges: []diagram.Edge{{}, e}}
		if _, err := diagram.Draw(t.Context(), g); err == nil || !strings.Contains(err.Error(), "edge 1") {
			t.Errorf("Draw with %+v = %v, want an error that names edge 1", e, err)
		}
	}
}

// A fuse is a context that is done after it was asked so many times.
type fuse struct {
	context.Context
	left int
}

func (f *fuse) Err() error {
	if f.left--; f.left < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

func TestDrawEndsWithItsContext(t *testing.T) {
	done, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("over"))
	for asked := range 40 {
		if _, err := diagram.Draw(&fuse{done, asked}, random(40, 90)); err == nil {
			if asked < 20 {
				t.Errorf("Draw asked its context only %d times", asked)
			}
			return
		} else if err.Error() != "over" {
			t.Fatalf("Draw = %v, want the context's cause", err)
		}
	}
}

func TestDrawNothing(t *testing.T) {
	if d := draw(t, diagram.Graph{}); len(d.boxes) != 0 || d.width <= 0 || d.height <= 0 {
		t.Errorf("Draw of no nodes = %+v, want an empty picture", d)
	}
}

func BenchmarkDraw(b *testing.B) {
	for name, g := range map[string]diagram.Graph{
		"typical-30-40": random(30, 40), "random-100-400": random(100, 400),
		"random-500-2000": random(500, 2000), "chained-500-2000": chained(500, 2000),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := diagram.Draw(b.Context(), g); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
