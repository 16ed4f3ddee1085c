package diagram

import (
	"cmp"
	"slices"
)

// A point of the picture, in pixels.
type point struct{ x, y float64 }

// An end is where a path leaves or enters a node.
type end struct {
	path int
	next float64 // x of the path's next cell, by which ends are sorted
}

// Ports returns for each path where it starts on the lower edge of its upper
// node and where it ends on the upper edge of its lower node, spread so that
// arrows do not lie upon each other.
func (p *part) ports() (starts, ends []point) {
	leaving := make([][]end, len(p.nodes))
	entering := make([][]end, len(p.nodes))
	for i, way := range p.paths {
		n := len(way.cells)
		top, bottom := way.cells[0], way.cells[n-1]
		leaving[top] = append(leaving[top], end{i, p.cells[way.cells[1]].x})
		entering[bottom] = append(entering[bottom], end{i, p.cells[way.cells[n-2]].x})
	}
	starts, ends = make([]point, len(p.paths)), make([]point, len(p.paths))
	for v := range p.nodes {
		c := &p.cells[v]
		spread(starts, leaving[v], c, c.y+c.height/2)
		spread(ends, entering[v], c, c.y-c.height/2)
	}
	return starts, ends
}

// Spread sets the places of the ends along one edge of a box, in the order of
// where they come from, at most 16 pixels apart.
func spread(places []point, ends []end, c *cell, y float64) {
	slices.SortStableFunc(ends, func(a, b end) int { return cmp.Compare(a.next, b.next) })
	step := min(16, (c.width-2*padding)/float64(max(len(ends)-1, 1)))
	x := c.x - step*float64(len(ends)-1)/2
	for i, e := range ends {
		places[e.path] = point{x + step*float64(i), y}
	}
}

// Distances of loops, in pixels.
const (
	loopReach = 26.0 // of the first loop of a node
	loopStep  = 8.0  // between the loops of a node
	loopsMax  = 12   // further loops lie upon the last
)

// Reach is how far the nth loop of a node, from 0, stands out.
func reach(n int) float64 { return loopReach + loopStep*float64(min(n, loopsMax-1)) }

// AddLoops makes room for loops, and for the widest of their labels, at the
// right of their nodes.
func (p *part) addLoops() {
	widest := make([]float64, len(p.cells))
	p.eachLoop(func(v, n int, text block) {
		widest[v] = max(widest[v], text.width)
		p.cells[v].loop = reach(n) + widest[v] + 4
	})
}

// EachLoop calls f for every loop with its node, its number there and its label.
func (p *part) eachLoop(f func(v, n int, text block)) {
	local := make(map[int]int, len(p.nodes))
	for i, n := range p.nodes {
		local[n] = i
	}
	count := make([]int, len(p.nodes))
	for _, e := range p.loops {
		v := local[p.graph.Edges[e].From]
		f(v, count[v], labelBlock(p.graph.Edges[e].Label))
		count[v]++
	}
}
