package streams

import (
	"fmt"
	"regexp"
	"strings"

	"sparkle/tasks"
)

// A Namespace keeps several systems apart on one NATS account: it begins every
// subject in small and every stream and bucket in capital letters.
type Namespace string

// DefaultNamespace is used where none is given.
const DefaultNamespace Namespace = "sparkle"

var validNamespace = regexp.MustCompile(`^[a-z0-9]{1,32}$`)

// Check reports a namespace that is not 1 to 32 small letters and digits.
func (n Namespace) Check() error {
	if !validNamespace.MatchString(string(n)) {
		return fmt.Errorf("namespace %q is not 1 to 32 of a-z and 0-9", string(n))
	}
	return nil
}

// Stream returns the name of the namespace's stream or bucket of that kind:
// TASKS, EVENTS, DEAD, ADVISORIES, USAGE, CONTROL, BLOBS.
func (n Namespace) Stream(kind string) string { return strings.ToUpper(string(n)) + "_" + kind }

func (n Namespace) subject(tokens ...string) string {
	return string(n) + "." + strings.Join(tokens, ".")
}

// Ready is where a task waits or runs.
func (n Namespace) Ready(t tasks.Task) string {
	return n.subject("tasks", "ready", string(t.Priority), t.Pool, t.Type, t.ID)
}

// Later is where a task stands that is delayed, retrying or parked.
func (n Namespace) Later(t tasks.Task) string {
	return n.subject("tasks", "later", string(t.Priority), t.Pool, t.Type, t.ID)
}

// Anywhere matches the task of an id wherever it stands: the last token is the
// id, so that no index is needed.
func (n Namespace) Anywhere(id string) string {
	return n.subject("tasks", "*", "*", "*", "*", id)
}

// QueueFilter matches the ready tasks of a queue.
func (n Namespace) QueueFilter(q tasks.Queue) string {
	return n.subject("tasks", "ready", string(q.Priority), q.Pool, ">")
}

// Event is where the state changes of a task are told.
func (n Namespace) Event(typ, id string) string { return n.subject("events", typ, id) }

// Dead is where the dead letters of a task are.
func (n Namespace) Dead(t tasks.Task) string {
	return n.subject("dead", string(t.Priority), t.Pool, t.Type, t.ID)
}

// Address is what a subject of TASKS or DEAD says about its task.
type address struct {
	place          string // ready, later, or dead
	priority, pool string
	typ, id        string
}

// Parse reads <ns>.tasks.<place>.<priority>.<pool>.<type>.<id> and
// <ns>.dead.<priority>.<pool>.<type>.<id>.
func (n Namespace) parse(subject string) (address, error) {
	rest, ok := strings.CutPrefix(subject, string(n)+".")
	if !ok {
		return address{}, fmt.Errorf("subject %q is not in namespace %s", subject, n)
	}
	rest = strings.TrimPrefix(rest, "tasks.")
	if strings.Count(rest, ".") != 4 {
		return address{}, fmt.Errorf("subject %q does not name a task", subject)
	}
	var a address
	for _, token := range []*string{&a.place, &a.priority, &a.pool, &a.typ, &a.id} {
		*token, rest, _ = strings.Cut(rest, ".")
	}
	if !tasks.Priority(a.priority).Valid() || !tasks.ValidName(a.pool) || !tasks.ValidName(a.typ) || !tasks.ValidName(a.id) {
		return a, fmt.Errorf("subject %q does not name a task: priority, pool, type and id must be valid names", subject)
	}
	return a, nil
}
