package diagram

import (
	"cmp"
	"context"
	"slices"
)

// sweeps is how often the layers are sorted by their neighbours; the best order
// met is kept. On random graphs 48 leave at most 4 % fewer crossings than 12.
const sweeps = 12

// Order sorts the cells of each layer so that few edges cross: by the mean place
// of their neighbours above, then of those below, in turns.
func (p *part) order(ctx context.Context) error {
	p.firstOrder()
	at := make([]int, len(p.cells))
	p.number(at)
	best, fewest := p.copyLayers(), p.crossings(at)
	for i := 0; i < sweeps && fewest > 0; i++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p.sweep(at, i%2 == 0)
		if n := p.crossings(at); n < fewest {
			best, fewest = p.copyLayers(), n
		}
	}
	p.layers = best
	return nil
}

// FirstOrder fills the layers on a walk down from the cells that nothing leads
// to, in the order of the input, so that what hangs together starts together.
func (p *part) firstOrder() {
	seen := make([]bool, len(p.cells))
	var stack []int
	for first := range p.cells {
		if len(p.cells[first].up) > 0 {
			continue
		}
		for stack = append(stack, first); len(stack) > 0; {
			v := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if seen[v] {
				continue
			}
			seen[v] = true
			c := &p.cells[v]
			p.layers[c.layer] = append(p.layers[c.layer], v)
			for _, below := range slices.Backward(c.down) {
				stack = append(stack, below)
			}
		}
	}
}

// Number writes down the place of each cell in its layer.
func (p *part) number(at []int) {
	for _, layer := range p.layers {
		for i, v := range layer {
			at[v] = i
		}
	}
}

func (p *part) copyLayers() [][]int {
	layers := make([][]int, len(p.layers))
	for i, layer := range p.layers {
		layers[i] = slices.Clone(layer)
	}
	return layers
}

func (p *part) sweep(at []int, down bool) {
	mean := make([]float64, len(p.cells))
	for i := range p.layers {
		layer := p.layers[i]
		if !down {
			layer = p.layers[len(p.layers)-1-i]
		}
		for _, v := range layer {
			neighbours := p.cells[v].up
			if !down {
				neighbours = p.cells[v].down
			}
			mean[v] = meanPlace(at, neighbours, at[v])
		}
		slices.SortStableFunc(layer, func(a, b int) int { return cmp.Compare(mean[a], mean[b]) })
		for i, v := range layer {
			at[v] = i
		}
	}
}

func meanPlace(at, neighbours []int, own int) float64 {
	if len(neighbours) == 0 {
		return float64(own)
	}
	sum := 0
	for _, n := range neighbours {
		sum += at[n]
	}
	return float64(sum) / float64(len(neighbours))
}

// Crossings counts the pairs of edges that cross between neighbouring layers
// (Barth, Jünger and Mutzel, "Simple and Efficient Bilayer Cross Counting",
// 2002).
func (p *part) crossings(at []int) int {
	count := 0
	var ends []int
	for i, layer := range p.layers[:len(p.layers)-1] {
		ends = ends[:0]
		for _, v := range layer {
			first := len(ends)
			for _, below := range p.cells[v].down {
				ends = append(ends, at[below])
			}
			slices.Sort(ends[first:])
		}
		count += inversions(ends, len(p.layers[i+1]))
	}
	return count
}

// Inversions counts the pairs of places, all below n, of which the later is the
// smaller, with a Fenwick tree.
func inversions(places []int, n int) int {
	tree := make([]int, n+1)
	count := 0
	for i, place := range places {
		notAbove := 0
		for j := place + 1; j > 0; j -= j & -j {
			notAbove += tree[j]
		}
		count += i - notAbove
		for j := place + 1; j <= n; j += j & -j {
			tree[j]++
		}
	}
	return count
}
