package learning_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"sparkle/tasks"
	"sparkle/tasks/learning"
)

func mechanics() learning.Visualization {
	return learning.Visualization{UserID: "u1", GraphData: learning.GraphData{
		Nodes: []learning.GraphNode{{ID: "law", Label: "牛顿第二定律"}, {ID: "xss", Label: "<script>alert('x')</script>"}, {ID: "bold", Label: "<b>x</b>"}, {ID: "Momentum"}},
		Edges: []learning.GraphEdge{{From: "law", To: "Momentum", Label: "推导\n\"derives\""}, {From: "Momentum", To: "law"}, {From: "law", To: "law"}, {From: "law", To: "xss"}},
	}}
}

func TestVisualizeStoresASafePicture(t *testing.T) {
	pictures := &gallery{}
	got, err := learning.Visualize(t.Context(), pictures, mechanics())
	if err != nil {
		t.Fatal(err)
	}
	stored := pictures.pictures[got.VisualizationID]
	want := learning.Picture{
		Status: "success", VisualizationID: got.VisualizationID, ContentType: "image/svg+xml",
		Size: len(stored.data), Nodes: 4, Edges: 4,
	}
	if got != want || stored.contentType != want.ContentType || !tasks.ValidName(got.VisualizationID) {
		t.Errorf("Visualize = %+v with %s stored, want %+v", got, stored.contentType, want)
	}
	text := plainText(t, stored.data)
	for _, label := range []string{"牛顿第二定律", "<script>alert('x')</script>", "<b>x</b>", "Momentum", "推导", `"derives"`} {
		if !strings.Contains(text, label) {
			t.Errorf("picture shows %q, want %q in it", text, label)
		}
	}
}

// PlainText reads a picture, which must be well-formed without a script.
func plainText(t *testing.T, svg []byte) string {
	t.Helper()
	var text strings.Builder
	for decoder := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return text.String()
		}
		if err != nil {
			t.Fatalf("picture is not well-formed: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == "script" || token.Name.Local == "b" {
				t.Errorf("picture has an element %s", token.Name.Local)
			}
		case xml.CharData:
			text.Write(token)
		}
	}
}

func TestPictureIDOutsideOfARunIsTheContent(t *testing.T) {
	pictures := &gallery{}
	id := func(change func(*learning.Visualization)) string {
		t.Helper()
		in := mechanics()
		change(&in)
		got, err := learning.Visualize(t.Context(), pictures, in)
		if err != nil {
			t.Fatal(err)
		}
		return got.VisualizationID
	}
	first := id(func(*learning.Visualization) {})
	if again := id(func(*learning.Visualization) {}); again != first {
		t.Errorf("ids of the same input are %s and %s, want one", first, again)
	}
	if other := id(func(v *learning.Visualization) { v.UserID = "u2" }); other == first {
		t.Errorf("two users share the picture %s", first)
	}
	if len(pictures.pictures) != 2 {
		t.Errorf("%d pictures are stored, want 2", len(pictures.pictures))
	}
}

func TestRedeliveredGraphReplacesItsPicture(t *testing.T) {
	registry, pictures := new(tasks.Registry), &gallery{fail: 1}
	learning.Register(registry, learning.Stores{Ledger: &ledger{}, Pictures: pictures})
	var list []tasks.Task
	for _, id := range []string{"g1", "g2"} {
		task, err := learning.VisualizeGraph.New(mechanics())
		if err != nil {
			t.Fatal(err)
		}
		task.ID = id
		list = append(list, task)
	}
	memory := runAll(t, registry, list...)
	for _, id := range []string{"g1", "g2"} {
		events := memory.Events(id)
		last := events[len(events)-1]
		got, err := learning.VisualizeGraph.Result(last.Outcome.Result)
		if err != nil || got.VisualizationID != "viz-"+last.Run {
			t.Errorf("result of %s = %+v, %v, want the picture of run %s", id, got, err, last.Run)
		}
	}
	if pictures.puts != 3 || len(pictures.pictures) != 2 {
		t.Errorf("%d puts left %d pictures, want 3 and one for each run", pictures.puts, len(pictures.pictures))
	}
}

func TestVisualizeFails(t *testing.T) {
	bad := mechanics()
	bad.GraphData.Edges[2].To = "nowhere"
	for _, c := range []struct {
		name      string
		pictures  *gallery
		in        learning.Visualization
		permanent bool
	}{
		{"store away", &gallery{fail: 1}, mechanics(), false},
		{"edge to nowhere", &gallery{}, bad, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := learning.Visualize(t.Context(), c.pictures, c.in)
			if err == nil || permanent(t, err) != c.permanent {
				t.Errorf("Visualize = %v, want an error with permanent = %v", err, c.permanent)
			}
		})
	}
}

func TestVisualizationNamesTheBadField(t *testing.T) {
	long := strings.Repeat("长", learning.MaxLabel+1)
	for _, c := range []struct {
		name, field string
		change      func(*learning.Visualization)
	}{
		{"no user", "user_id", func(v *learning.Visualization) { v.UserID = "" }},
		{"no nodes", "graph_data.nodes", func(v *learning.Visualization) { v.GraphData.Nodes = nil }},
		{"many nodes", "graph_data.nodes", func(v *learning.Visualization) {
			v.GraphData.Nodes = make([]learning.GraphNode, learning.MaxNodes+1)
		}},
		{"many edges", "graph_data.edges", func(v *learning.Visualization) {
			v.GraphData.Edges = make([]learning.GraphEdge, learning.MaxEdges+1)
		}},
		{"no id", "graph_data.nodes[1].id", func(v *learning.Visualization) { v.GraphData.Nodes[1].ID = "" }},
		{"same id", "graph_data.nodes[1].id", func(v *learning.Visualization) { v.GraphData.Nodes[1].ID = "law" }},
		{"long label", "graph_data.nodes[3].label", func(v *learning.Visualization) { v.GraphData.Nodes[3].Label = long }},
		{"edge from nowhere", "graph_data.edges[1].from", func(v *learning.Visualization) { v.GraphData.Edges[1].From = "x" }},
		{"edge to nowhere", "graph_data.edges[2].to", func(v *learning.Visualization) { v.GraphData.Edges[2].To = "x" }},
		{"long edge label", "graph_data.edges[0].label", func(v *learning.Visualization) { v.GraphData.Edges[0].Label = long }},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := mechanics()
			c.change(&in)
			wantInvalid(t, in.Validate(), c.field)
		})
	}
}

func TestLargestGraphIsDrawn(t *testing.T) {
	in := learning.Visualization{UserID: "u1"}
	for i := range learning.MaxNodes {
		in.GraphData.Nodes = append(in.GraphData.Nodes, learning.GraphNode{ID: fmt.Sprint(i)})
	}
	for i := range learning.MaxEdges {
		in.GraphData.Edges = append(in.GraphData.Edges, learning.GraphEdge{
			From: fmt.Sprint(i % learning.MaxNodes), To: fmt.Sprint((i*i + 1) % learning.MaxNodes),
		})
	}
	got, err := learning.Visualize(t.Context(), &gallery{}, in)
	if err != nil || got.Nodes != learning.MaxNodes || got.Edges != learning.MaxEdges {
		t.Errorf("Visualize at all limits = %+v, %v, want no error", got, err)
	}
}
