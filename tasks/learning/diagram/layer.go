package diagram

// A link is an edge between two cells of a part, as the layers see it: unloop
// turns some around.
type link struct {
	edge        int
	top, bottom int
	turned      bool
}

func (p *part) links() []link {
	local := make(map[int]int, len(p.nodes))
	for i, n := range p.nodes {
		local[n] = i
	}
	links := make([]link, len(p.edges))
	for i, e := range p.edges {
		edge := p.graph.Edges[e]
		links[i] = link{edge: e, top: local[edge.From], bottom: local[edge.To]}
	}
	return links
}

// Unloop turns around the links that close a circle in a depth-first walk, which
// starts where nothing leads to. What is left has no circles.
func unloop(nodes int, links []link) {
	out := outgoing(nodes, links)
	entered := make([]bool, nodes)
	for _, l := range links {
		entered[l.bottom] = true
	}
	const open, closed = 1, 2
	state := make([]int, nodes)
	var walk func(int)
	walk = func(v int) {
		state[v] = open
		for _, i := range out[v] {
			switch l := &links[i]; state[l.bottom] {
			case open:
				l.top, l.bottom, l.turned = l.bottom, l.top, true
			case closed:
			default:
				walk(l.bottom)
			}
		}
		state[v] = closed
	}
	for _, circular := range []bool{false, true} {
		for v := range nodes {
			if state[v] == 0 && (circular || !entered[v]) {
				walk(v)
			}
		}
	}
}

// Outgoing lists the links that leave each node downwards.
func outgoing(nodes int, links []link) [][]int {
	out := make([][]int, nodes)
	for i, l := range links {
		out[l.top] = append(out[l.top], i)
	}
	return out
}

// Layer makes a cell of every node and gives it a layer: as high as what leads
// to it allows, then down again where that shortens more links than it
// lengthens. With labelled edges every second layer is left for the labels.
func (p *part) layer(links []link) {
	out := outgoing(len(p.nodes), links)
	in := make([]int, len(p.nodes))
	for _, l := range links {
		in[l.bottom]++
	}
	sorted := topological(in, out, links)
	p.cells = make([]cell, len(p.nodes))
	for i, n := range p.nodes {
		p.cells[i] = nodeCell(p.graph.Nodes[n])
	}
	for _, v := range sorted {
		for _, i := range out[v] {
			below := &p.cells[links[i].bottom]
			below.layer = max(below.layer, p.cells[v].layer+1)
		}
	}
	for i := range sorted {
		v := sorted[len(sorted)-1-i]
		if len(out[v]) <= in[v] {
			continue
		}
		lowest := p.cells[links[out[v][0]].bottom].layer
		for _, i := range out[v] {
			lowest = min(lowest, p.cells[links[i].bottom].layer)
		}
		p.cells[v].layer = lowest - 1
	}
	p.spaceLayers()
}

// SpaceLayers makes room for labels between the layers.
func (p *part) spaceLayers() {
	deepest := 0
	labelled := p.labelled()
	for i := range p.nodes {
		if labelled {
			p.cells[i].layer *= 2
		}
		deepest = max(deepest, p.cells[i].layer)
	}
	p.layers = make([][]int, deepest+1)
}

func (p *part) labelled() bool {
	for _, e := range p.edges {
		if p.graph.Edges[e].Label != "" {
			return true
		}
	}
	return false
}

// Topological returns the nodes so that every link leads to a later one.
func topological(in []int, out [][]int, links []link) []int {
	waits := make([]int, len(in))
	copy(waits, in)
	sorted := make([]int, 0, len(in))
	for v, n := range waits {
		if n == 0 {
			sorted = append(sorted, v)
		}
	}
	for i := 0; i < len(sorted); i++ {
		for _, l := range out[sorted[i]] {
			below := links[l].bottom
			if waits[below]--; waits[below] == 0 {
				sorted = append(sorted, below)
			}
		}
	}
	return sorted
}
