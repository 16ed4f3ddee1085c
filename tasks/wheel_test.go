package tasks_test

import (
	"maps"
	"testing"

	"pgregory.net/rapid"

	"sparkle/tasks"
)

func all(tasks.Priority) bool { return true }

func turns(w *tasks.Wheel, n int, has func(tasks.Priority) bool) map[tasks.Priority]int {
	counts := map[tasks.Priority]int{}
	for range n {
		if p, ok := w.Turn(has); ok {
			counts[p]++
		}
	}
	return counts
}

func TestWheelSharesTurnsExactly(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		weights tasks.Weights
		turns   int
		has     func(tasks.Priority) bool
		want    map[tasks.Priority]int
	}{
		"all have work": {tasks.Weights{High: 6, Default: 3, Low: 1}, 100, all, map[tasks.Priority]int{tasks.High: 60, tasks.Default: 30, tasks.Low: 10}},
		"strict":        {tasks.Weights{High: 18, Default: 1, Low: 1}, 100, all, map[tasks.Priority]int{tasks.High: 90, tasks.Default: 5, tasks.Low: 5}},
		"no high": {
			tasks.Weights{High: 6, Default: 3, Low: 1}, 100, func(p tasks.Priority) bool { return p != tasks.High },
			map[tasks.Priority]int{tasks.Default: 75, tasks.Low: 25},
		},
		"low alone": {
			tasks.Weights{High: 6, Default: 3, Low: 1}, 7, func(p tasks.Priority) bool { return p == tasks.Low },
			map[tasks.Priority]int{tasks.Low: 7},
		},
		"nothing": {tasks.Weights{High: 6, Default: 3, Low: 1}, 7, func(tasks.Priority) bool { return false }, map[tasks.Priority]int{}},
	} {
		if got := turns(tasks.NewWheel(row.weights), row.turns, row.has); !maps.Equal(got, row.want) {
			t.Errorf("%s: %d turns of %v = %v, want %v", name, row.turns, row.weights, got, row.want)
		}
	}
}

func TestWheelLetsAnAbsentPrioritySaveUpNothing(t *testing.T) {
	t.Parallel()
	w := tasks.NewWheel(tasks.Weights{High: 6, Default: 3, Low: 1})
	turns(w, 1000, func(p tasks.Priority) bool { return p == tasks.Low })
	if got, want := turns(w, 10, all), (map[tasks.Priority]int{tasks.High: 6, tasks.Default: 3, tasks.Low: 1}); !maps.Equal(got, want) {
		t.Errorf("10 turns after the absence = %v, want %v", got, want)
	}
}

func TestWheelServesOnlyWhatHasWorkAndStarvesNone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		weight := rapid.IntRange(1, 20)
		weights := tasks.Weights{High: weight.Draw(t, "high"), Default: weight.Draw(t, "default"), Low: weight.Draw(t, "low")}
		total := weights.High + weights.Default + weights.Low
		w, waited := tasks.NewWheel(weights), map[tasks.Priority]int{}
		for range 200 {
			work := map[tasks.Priority]bool{}
			for _, p := range tasks.Priorities() {
				work[p] = rapid.IntRange(0, 3).Draw(t, string(p)) > 0
			}
			served, ok := w.Turn(func(p tasks.Priority) bool { return work[p] })
			if ok && !work[served] {
				t.Fatalf("served %s, which has no work", served)
			}
			for _, p := range tasks.Priorities() {
				if waited[p]++; !work[p] || p == served {
					waited[p] = 0
				}
				if waited[p] > 3*total {
					t.Fatalf("%s waited %d turns of weights %v", p, waited[p], weights)
				}
			}
		}
	})
}
