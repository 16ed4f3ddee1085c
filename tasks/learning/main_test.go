package learning_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"sparkle/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errStore = errors.New("store is away")

// A ledger keeps entries in memory. It fails as often as fail says, the first
// lost times after it has stored: the answer got lost.
type ledger struct {
	mu         sync.Mutex
	entries    map[string][]byte
	fail, lost int
}

func (l *ledger) Record(_ context.Context, _, _, request string, entry []byte) ([]byte, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail > 0 {
		l.fail--
		return nil, false, errStore
	}
	if l.entries == nil {
		l.entries = map[string][]byte{}
	}
	stored, old := l.entries[request]
	if !old {
		stored = bytes.Clone(entry)
		l.entries[request] = stored
	}
	if l.lost > 0 {
		l.lost--
		return nil, false, errStore
	}
	return stored, !old, nil
}

type picture struct {
	contentType string
	data        []byte
}

// A gallery keeps pictures in memory. It fails as often as fail says, after it
// has stored.
type gallery struct {
	mu       sync.Mutex
	pictures map[string]picture
	puts     int
	fail     int
}

func (g *gallery) Put(_ context.Context, id, contentType string, data []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pictures == nil {
		g.pictures = map[string]picture{}
	}
	g.puts++
	g.pictures[id] = picture{contentType, bytes.Clone(data)}
	if g.fail > 0 {
		g.fail--
		return errStore
	}
	return nil
}

// WantInvalid wants err to be an InvalidError of this field.
func wantInvalid(t *testing.T, err error, field string) {
	t.Helper()
	var invalid *tasks.InvalidError
	if !errors.As(err, &invalid) || invalid.Field != field {
		t.Errorf("got error %v, want an InvalidError of field %q", err, field)
	}
}

// Permanent reports whether a worker would bury a task for err: it tells by
// running one.
func permanent(t *testing.T, err error) bool {
	t.Helper()
	type none struct{}
	registry := new(tasks.Registry)
	kind := tasks.Type[none, none]{Name: "fails"}
	tasks.Handle(registry, kind, func(context.Context, none) (none, error) { return none{}, err })
	memory := runAll(t, registry, tasks.Task{Type: "fails", Payload: []byte("{}")})
	dead := memory.DeadLetters()
	return len(dead) == 1 && dead[0].Attempt == 1
}
