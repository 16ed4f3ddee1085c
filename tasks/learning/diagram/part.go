package diagram

import (
	"cmp"
	"math"
	"slices"
)

// A part is a connected piece of a graph. Parts are laid out each by itself,
// then packed.
type part struct {
	graph  *Graph
	nodes  []int   // of the graph
	edges  []int   // of the graph, without loops
	loops  []int   // of the graph: edges from a node to itself
	cells  []cell  // first the nodes, then the bends of long edges
	layers [][]int // cells from left to right
	paths  []path  // how the edges run

	x, y          float64 // where the part begins
	width, height float64
}

// A cell is a place in a layer: a node's box, or the bend where an edge crosses
// the layer.
type cell struct {
	layer         int
	x, y          float64 // centre
	width, height float64
	loop          float64 // room for loops on the right
	up, down      []int   // neighbours in the layers above and below
	text          block
	bend          bool
}

// A path is how an edge runs: through cells, from the upper end to the lower.
type path struct {
	edge  int
	cells []int
	up    bool // the arrow points to the upper end
	label int  // the bend that holds the label, 0 if none does
}

// Components splits g; the parts and what they hold are in the order of g.
func components(g Graph) []*part {
	root := make([]int, len(g.Nodes))
	for i := range root {
		root[i] = i
	}
	find := func(i int) int {
		for root[i] != i {
			root[i] = root[root[i]]
			i = root[i]
		}
		return i
	}
	for _, e := range g.Edges {
		a, b := find(e.From), find(e.To)
		root[max(a, b)] = min(a, b)
	}
	var parts []*part
	at := make([]*part, len(g.Nodes))
	for i := range g.Nodes {
		r := find(i)
		if at[r] == nil {
			at[r] = &part{graph: &g}
			parts = append(parts, at[r])
		}
		at[r].nodes = append(at[r].nodes, i)
	}
	for i, e := range g.Edges {
		p := at[find(e.From)]
		if e.From == e.To {
			p.loops = append(p.loops, i)
		} else {
			p.edges = append(p.edges, i)
		}
	}
	return parts
}

// Distances in a picture, in pixels.
const (
	margin  = 24.0
	partGap = 40.0
)

// Pack puts the parts on shelves, the highest first, so that the picture comes
// out about four by three.
func pack(parts []*part) (width, height float64) {
	order := slices.Clone(parts)
	slices.SortStableFunc(order, func(a, b *part) int { return cmp.Compare(b.height, a.height) })
	area, limit := 0.0, 0.0
	for _, p := range order {
		area += (p.width + partGap) * (p.height + partGap)
		limit = max(limit, p.width)
	}
	limit = max(limit, math.Sqrt(area*4/3))
	x, y, shelf := 0.0, 0.0, 0.0
	for _, p := range order {
		if x > 0 && x+p.width > limit {
			x, y, shelf = 0, y+shelf+partGap, 0
		}
		p.x, p.y = margin+x, margin+y
		width = max(width, x+p.width)
		x += p.width + partGap
		shelf = max(shelf, p.height)
	}
	return width + 2*margin, y + shelf + 2*margin
}
