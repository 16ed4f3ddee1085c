package tasks

// Weights say how the slots of a worker are shared while every priority has
// work: of 10 starts with the default of 6:3:1, six are high, three default,
// one low.
type Weights struct{ High, Default, Low int }

// DefaultWeights is 6:3:1.
var defaultWeights = Weights{6, 3, 1}

// Strict serves the highest priority that has work, and keeps a twentieth of the
// starts for each of the others so that they do not starve.
var strictWeights = Weights{18, 1, 1}

func (w Weights) of(p Priority) int {
	switch p {
	case High:
		return w.High
	case Default:
		return w.Default
	default:
		return w.Low
	}
}

// A wheel names the priority that the next free slot serves: smooth weighted
// round robin (as in nginx), so that turns of one priority are spread out.
type wheel struct {
	weights Weights
	credit  map[Priority]int
}

func newWheel(w Weights) *wheel { return &wheel{weights: w, credit: map[Priority]int{}} }

// Turn returns the priorities that have work in the order in which the next free
// slot should try them, and charges the first. Only the priorities that have
// work take part, so an absent one saves up no turns.
func (w *wheel) turn(has func(Priority) bool) (Priority, bool) {
	var best Priority
	total := 0
	for _, p := range Priorities() {
		if !has(p) {
			continue
		}
		weight := max(w.weights.of(p), 1)
		w.credit[p] += weight
		total += weight
		if best == "" || w.credit[p] > w.credit[best] {
			best = p
		}
	}
	if best == "" {
		return "", false
	}
	w.credit[best] -= total
	return best, true
}
