package streams

import (
	"cmp"

	"sparkle/tasks"
)

// A PauseTarget is what is paused: the queues of a priority, of a pool or of
// both, or else a type in every queue.
type PauseTarget struct {
	Priority tasks.Priority `json:"priority,omitempty"`
	Pool     string         `json:"pool,omitempty"`
	Type     string         `json:"type,omitempty"`
}

// Check reports the first field that is wrong, as an [*tasks.InvalidError].
func (t PauseTarget) Check() error {
	wrong := func(field, want string) error { return &tasks.InvalidError{Field: field, Want: want} }
	switch {
	case t == PauseTarget{}:
		return wrong("target", "want a priority, a pool or a type")
	case t.Type != "" && (t.Priority != "" || t.Pool != ""):
		return wrong("target", "want a type, or a priority and a pool: a type is paused in all its queues")
	case t.Priority != "" && !t.Priority.Valid():
		return wrong("priority", "want high, default or low")
	case t.Pool != "" && !tasks.ValidName(t.Pool):
		return wrong("pool", "want 1 to 128 letters, digits, _ or -")
	case t.Type != "" && !tasks.ValidName(t.Type):
		return wrong("type", "want 1 to 128 letters, digits, _ or -")
	}
	return nil
}

// String names the target for people: "type x", "high-gpu", "priority high".
func (t PauseTarget) String() string {
	switch {
	case t.Type != "":
		return "type " + t.Type
	case t.Priority != "" && t.Pool != "":
		return "queue " + tasks.Queue{Priority: t.Priority, Pool: t.Pool}.String()
	case t.Priority != "":
		return "priority " + string(t.Priority)
	default:
		return "pool " + t.Pool
	}
}

func (t PauseTarget) key() string {
	return controlKey(pauseKind, cmp.Or(string(t.Priority), anyName), cmp.Or(t.Pool, anyName), cmp.Or(t.Type, anyName))
}

func (t PauseTarget) covers(q tasks.Queue) bool {
	return t.Type == "" && (t.Priority == "" || t.Priority == q.Priority) && (t.Pool == "" || t.Pool == q.Pool)
}

// Overlaps reports whether a queue may be covered by both targets.
func (t PauseTarget) Overlaps(other PauseTarget) bool {
	return t.Type == "" && other.Type == "" &&
		(t.Priority == "" || other.Priority == "" || t.Priority == other.Priority) &&
		(t.Pool == "" || other.Pool == "" || t.Pool == other.Pool)
}
