package tasks

// A Priority is the class in which a task waits.
type Priority string

// The priorities, highest first.
const (
	High    Priority = "high"
	Default Priority = "default"
	Low     Priority = "low"
)

// Priorities lists all priorities, highest first.
func Priorities() []Priority { return []Priority{High, Default, Low} }

// Valid reports whether p is one of [Priorities].
func (p Priority) Valid() bool { return p == High || p == Default || p == Low }

// MainPool is the pool of a type that names none.
const MainPool = "main"

// A Queue is where tasks of one priority wait for the consumers of one pool.
type Queue struct {
	Priority Priority
	Pool     string
}

// String returns the queue as "priority-pool", the name of its consumer.
func (q Queue) String() string { return string(q.Priority) + "-" + q.Pool }
