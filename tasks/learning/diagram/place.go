package diagram

import (
	"context"
	"math"
)

// Distances between cells, in pixels.
const (
	nodeGap   = 28.0
	bendGap   = 12.0
	layerGap  = 56.0
	labelGap  = 30.0 // where layers are left for labels
	alignings = 16
)

// Place gives every cell its coordinates. In turns each layer is drawn towards
// its neighbours above or below, as far as order and distances allow.
func (p *part) place(ctx context.Context) error {
	p.addLoops()
	p.placeLayers()
	for i := range alignings {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		for j := range p.layers {
			if i%2 == 1 {
				j = len(p.layers) - 1 - j
			}
			p.align(p.layers[j], i%2 == 0, i >= alignings-2)
		}
	}
	p.moveToOrigin()
	return nil
}

// PlaceLayers sets the heights, and first places from left to right.
func (p *part) placeLayers() {
	gap := layerGap
	if p.labelled() {
		gap = labelGap
	}
	y := 0.0
	for _, layer := range p.layers {
		height := 0.0
		for _, v := range layer {
			height = max(height, p.cells[v].height)
		}
		x := 0.0
		for i, v := range layer {
			c := &p.cells[v]
			if i > 0 {
				x += p.distance(layer[i-1], v)
			}
			c.x, c.y = x, y+height/2
			if c.bend {
				c.height = height
			}
		}
		y += height + gap
	}
	p.height = y - gap
}

// Distance is what the centres of two neighbours need.
func (p *part) distance(left, right int) float64 {
	l, r := &p.cells[left], &p.cells[right]
	gap := nodeGap
	if l.bend || r.bend {
		gap = bendGap
	}
	return l.width/2 + l.loop + gap + r.width/2
}

// Align moves the cells of a layer as near to the means of their neighbours as
// their order and distances allow, least squares: the pool-adjacent-violators
// algorithm. Bends weigh more, which straightens long edges.
func (p *part) align(layer []int, up, both bool) {
	type pool struct {
		sum, weight float64
		cells       int
	}
	pools := make([]pool, 0, len(layer))
	offset := make([]float64, len(layer))
	for i, v := range layer {
		if i > 0 {
			offset[i] = offset[i-1] + p.distance(layer[i-1], v)
		}
		want, weight := p.wanted(v, up, both)
		last := pool{(want - offset[i]) * weight, weight, 1}
		for n := len(pools); n > 0 && pools[n-1].sum/pools[n-1].weight > last.sum/last.weight; n-- {
			last = pool{last.sum + pools[n-1].sum, last.weight + pools[n-1].weight, last.cells + pools[n-1].cells}
			pools = pools[:n-1]
		}
		pools = append(pools, last)
	}
	i := 0
	for _, pool := range pools {
		for range pool.cells {
			p.cells[layer[i]].x = pool.sum/pool.weight + offset[i]
			i++
		}
	}
}

// Wanted is where a cell would like to be, and how much that weighs.
func (p *part) wanted(v int, up, both bool) (x, weight float64) {
	c := &p.cells[v]
	sum, n := 0.0, 0
	if up || both {
		for _, above := range c.up {
			sum += p.cells[above].x
			n++
		}
	}
	if !up || both {
		for _, below := range c.down {
			sum += p.cells[below].x
			n++
		}
	}
	switch {
	case n == 0:
		return c.x, 0.1
	case c.bend:
		return sum / float64(n), 4
	default:
		return sum / float64(n), 1
	}
}

// MoveToOrigin makes 0 the left edge of the part and measures its width.
func (p *part) moveToOrigin() {
	left, right := math.Inf(1), math.Inf(-1)
	for _, c := range p.cells {
		left = min(left, c.x-c.width/2)
		right = max(right, c.x+c.width/2+c.loop)
	}
	for i := range p.cells {
		p.cells[i].x -= left
	}
	p.width = right - left
}
