package sourcetest

import "sync"

// A tally counts by a name. It is safe for concurrent use.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
	order  []string
}

func (t *tally) add(name string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[string]int{}
	}
	t.counts[name]++
	t.order = append(t.order, name)
	return t.counts[name]
}

func (t *tally) of(name string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts[name]
}

func (t *tally) total() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.order)
}

// First counts by name among the first n.
func (t *tally) first(n int) map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := map[string]int{}
	for _, name := range t.order[:min(n, len(t.order))] {
		counts[name]++
	}
	return counts
}
