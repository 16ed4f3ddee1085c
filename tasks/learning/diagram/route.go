package diagram

import (
	"cmp"
	"slices"
)

// maxBends bounds the cells of a picture, and with them time and memory: a few
// hundred layers crossed by two thousand edges would make a million. When a part
// has used its share, its longest edges go straight, behind the boxes.
const maxBends = 20_000

// Route gives every link its path, the shortest first.
func (p *part) route(links []link) {
	slices.SortStableFunc(links, func(a, b link) int {
		return cmp.Compare(p.cells[a.bottom].layer-p.cells[a.top].layer, p.cells[b.bottom].layer-p.cells[b.top].layer)
	})
	bends, limit := 0, maxBends*len(p.nodes)/len(p.graph.Nodes)
	for _, l := range links {
		between := p.cells[l.bottom].layer - p.cells[l.top].layer - 1
		if bends += between; bends > limit {
			p.paths = append(p.paths, path{edge: l.edge, up: l.turned, cells: []int{l.top, l.bottom}})
			continue
		}
		p.bend(l, between)
	}
}

// Bend leads a link through a cell of every layer between its ends; the one in
// the middle, of those left for labels, gets the label.
func (p *part) bend(l link, between int) {
	way := path{edge: l.edge, up: l.turned, cells: []int{l.top}}
	label := p.graph.Edges[l.edge].Label
	top := p.cells[l.top].layer
	for i := range between {
		c := cell{layer: top + 1 + i, bend: true}
		if label != "" && i == between/2&^1 {
			c.text = labelBlock(label)
			c.width, c.height = c.text.width+4, c.text.height
			way.label = len(p.cells)
		}
		way.cells = append(way.cells, len(p.cells))
		p.cells = append(p.cells, c)
	}
	way.cells = append(way.cells, l.bottom)
	for i, below := range way.cells[1:] {
		above := way.cells[i]
		p.cells[above].down = append(p.cells[above].down, below)
		p.cells[below].up = append(p.cells[below].up, above)
	}
	p.paths = append(p.paths, way)
}
