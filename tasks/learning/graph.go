package learning

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"sparkle/tasks"
	"sparkle/tasks/learning/diagram"
)

// VisualizeGraph is the type of visualize_graph: it draws a learner's knowledge
// graph as an SVG picture and stores it.
//
// The original allowed two retries with 2ⁿ s between; so do these, as the mean
// of the jitter.
var VisualizeGraph = tasks.Type[Visualization, Picture]{
	Name:     "visualize_graph",
	Priority: tasks.Low,
	Timeout:  time.Minute,
	Retry:    tasks.Retry{Attempts: 3, Base: time.Second},
}

// Limits of a [Visualization].
const (
	MaxNodes = 500
	MaxEdges = 2_000
	MaxLabel = 200 // characters
)

// Visualization is the input of [VisualizeGraph].
type Visualization struct {
	UserID    string    `json:"user_id"`
	GraphData GraphData `json:"graph_data"`
}

// GraphData is a directed graph. Labels are plain text, whatever they look like;
// a line break in one is kept.
type GraphData struct {
	Nodes []GraphNode `json:"nodes"` // at least one
	Edges []GraphEdge `json:"edges"`
}

// A GraphNode has an id that is unique in its graph; where it has no label the
// id is shown.
type GraphNode struct {
	ID    string `json:"id"`
	Label string `json:"label,omitempty"`
}

// A GraphEdge leads from a node to a node, by their ids.
type GraphEdge struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Label string `json:"label,omitempty"`
}

// Validate reports the first field that is missing, out of bounds or refers to a
// node that is not there, as a [*tasks.InvalidError].
func (v Visualization) Validate() error {
	_, err := v.graph()
	return err
}

// Graph checks v and numbers its nodes.
func (v Visualization) graph() (diagram.Graph, error) {
	var g diagram.Graph
	if err := v.checkSizes(); err != nil {
		return g, err
	}
	index := make(map[string]int, len(v.GraphData.Nodes))
	for i, n := range v.GraphData.Nodes {
		field := fmt.Sprintf("graph_data.nodes[%d]", i)
		if err := cmp.Or(checkName(field+".id", n.ID), checkLength(field+".label", n.Label, MaxLabel)); err != nil {
			return g, err
		}
		if _, ok := index[n.ID]; ok {
			return g, invalid(field+".id", "an earlier node has the same")
		}
		index[n.ID] = i
		g.Nodes = append(g.Nodes, cmp.Or(n.Label, n.ID))
	}
	for i, e := range v.GraphData.Edges {
		field := fmt.Sprintf("graph_data.edges[%d]", i)
		from, found := index[e.From]
		if !found {
			return g, invalid(field+".from", "no node has this id")
		}
		to, found := index[e.To]
		if !found {
			return g, invalid(field+".to", "no node has this id")
		}
		if err := checkLength(field+".label", e.Label, MaxLabel); err != nil {
			return g, err
		}
		g.Edges = append(g.Edges, diagram.Edge{From: from, To: to, Label: e.Label})
	}
	return g, nil
}

func (v Visualization) checkSizes() error {
	nodes, edges := len(v.GraphData.Nodes), len(v.GraphData.Edges)
	switch {
	case nodes == 0 || nodes > MaxNodes:
		return invalid("graph_data.nodes", "want 1 to %d", MaxNodes)
	case edges > MaxEdges:
		return invalid("graph_data.edges", "%d are more than %d", edges, MaxEdges)
	}
	return checkName("user_id", v.UserID)
}

// Pictures keeps the pictures for their viewers. It is safe for concurrent use.
type Pictures interface {
	// Put stores a picture under id and replaces what was there. The id
	// satisfies [tasks.ValidName].
	Put(ctx context.Context, id, contentType string, data []byte) error
}

// A Picture is the result of [VisualizeGraph].
type Picture struct {
	Status string `json:"status"` // always "success"
	// VisualizationID finds the picture in [Pictures].
	VisualizationID string `json:"visualization_id"`
	ContentType     string `json:"content_type"`
	Size            int    `json:"size"` // bytes
	Nodes           int    `json:"nodes"`
	Edges           int    `json:"edges"`
}

const svgType = "image/svg+xml"

// Visualize draws the graph of in and stores the picture. The picture's id is
// made of the run that ctx belongs to, or of the input where there is none, so a
// redelivery replaces its picture.
func Visualize(ctx context.Context, pictures Pictures, in Visualization) (Picture, error) {
	graph, err := in.graph()
	if err != nil {
		return Picture{}, tasks.Permanent(err)
	}
	id, err := pictureID(tasks.Current(ctx), in)
	if err != nil {
		return Picture{}, tasks.Permanent(err)
	}
	svg, err := diagram.Draw(ctx, graph)
	if err != nil {
		return Picture{}, fmt.Errorf("draw graph: %w", err)
	}
	if err := pictures.Put(ctx, id, svgType, svg); err != nil {
		return Picture{}, fmt.Errorf("store picture %s: %w", id, err)
	}
	return Picture{
		Status: "success", VisualizationID: id, ContentType: svgType,
		Size: len(svg), Nodes: len(graph.Nodes), Edges: len(graph.Edges),
	}, nil
}

func pictureID(d *tasks.Delivery, in Visualization) (string, error) {
	if d != nil && tasks.ValidName("viz-"+d.Run) {
		return "viz-" + d.Run, nil
	}
	data, err := json.Marshal(in)
	if err != nil {
		return "", fmt.Errorf("encode graph: %w", err)
	}
	sum := sha256.Sum256(data)
	return "viz-" + hex.EncodeToString(sum[:16]), nil
}
