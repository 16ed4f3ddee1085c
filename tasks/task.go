// Package tasks is Sparkle's contract: what a task is, how a handler is written
// and registered, what its errors mean, and the worker that runs it. It knows no
// NATS: a worker runs over a [Source], and package streams has the one of
// JetStream.
package tasks

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// A Task is one piece of work to publish. Only Type is needed; a task's zero
// fields take the defaults of its type.
type Task struct {
	// Type selects the handler. It matches [ValidName].
	Type string
	// Payload is the handler's input as one JSON value. Empty means null. At
	// most [MaxPayload] bytes and [MaxDepth] deep.
	Payload json.RawMessage
	// ID is the task's address: at most one task of an id is waiting, running
	// or scheduled at a time. Empty: the publisher makes one that sorts by time.
	// It matches [ValidName].
	ID string
	// Priority defaults to the type's.
	Priority Priority
	// Pool names the consumers that can run the task. Defaults to the type's.
	Pool string
	// User is whom the work is for, for searches and accounting; at most
	// [MaxUser] bytes without control characters.
	User string
	// At is the time before which the task does not start. Zero: at once.
	At time.Time
	// Expires is the time after which the task no longer starts; it then ends
	// as expired. Zero: never.
	Expires time.Time
	// Timeout bounds one attempt. Zero: the type's.
	Timeout time.Duration
	// MaxAttempts bounds the failed attempts. Zero: the type's.
	MaxAttempts int
	// Headers go with the task to its handler: trace context, tenant, tags. At
	// most [MaxHeaders] names and 4 KiB; names beginning with Nats- or Sparkle-
	// are refused.
	Headers map[string]string
}

// Limits of a task.
const (
	MaxPayload = 256 << 10 // bytes of a payload
	MaxResult  = 256 << 10 // bytes of a result
	MaxDepth   = 64        // nested arrays and objects in a payload
	MaxHeaders = 32        // the caller's own headers of one task
	MaxUser    = 256       // bytes of Task.User

	maxHeaderBytes = 4 << 10
)

// ValidName reports whether s can name a type, a pool or a task: 1 to 128
// letters, digits, underscores and hyphens of ASCII.
func ValidName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && !isDigit(c) && c != '_' && c != '-' {
			return false
		}
	}
	return 1 <= len(s) && len(s) <= 128
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// Check reports the first field of t that cannot be published, as an
// [*InvalidError]. It does not know the type's schema; [Registry.Check] does.
func (t Task) Check() error {
	if err := t.checkFields(); err != nil {
		return err
	}
	return CheckJSON(t.Payload)
}

// CheckFields checks all but the payload.
func (t *Task) checkFields() error {
	switch {
	case !ValidName(t.Type):
		return invalid("type", "%q is not 1 to 128 letters, digits, _ or -", clip(t.Type))
	case t.ID != "" && !ValidName(t.ID):
		return invalid("id", "%q is not 1 to 128 letters, digits, _ or -", clip(t.ID))
	case t.Pool != "" && !ValidName(t.Pool):
		return invalid("pool", "%q is not 1 to 128 letters, digits, _ or -", clip(t.Pool))
	case t.Priority != "" && !t.Priority.Valid():
		return invalid("priority", "%q is none of high, default, low", clip(string(t.Priority)))
	case len(t.User) > MaxUser || strings.ContainsFunc(t.User, isControl):
		return invalid("user", "want at most %d bytes without control characters", MaxUser)
	case t.Timeout < 0:
		return invalid("timeout", "%v is negative", t.Timeout)
	case t.MaxAttempts < 0:
		return invalid("max_attempts", "%d is negative", t.MaxAttempts)
	}
	return checkHeaders(t.Headers)
}

func checkHeaders(headers map[string]string) error {
	if len(headers) > MaxHeaders {
		return invalid("headers", "%d names are more than %d", len(headers), MaxHeaders)
	}
	size := 0
	for name, value := range headers {
		size += len(name) + len(value)
		lower := strings.ToLower(name)
		switch {
		case name == "" || strings.ContainsFunc(name, func(r rune) bool { return isControl(r) || r == ':' || r == ' ' || r > '~' }):
			return invalid("headers", "%q is not a header name", clip(name))
		case strings.HasPrefix(lower, "nats-"), strings.HasPrefix(lower, "sparkle-"):
			return invalid("headers", "%q: names beginning with Nats- or Sparkle- are reserved", clip(name))
		case strings.ContainsFunc(value, isControl):
			return invalid("headers", "the value of %q has control characters", clip(name))
		}
	}
	if size > maxHeaderBytes {
		return invalid("headers", "%d bytes are more than %d", size, maxHeaderBytes)
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// Clip keeps hostile input from filling an error text.
func clip(s string) string {
	if len(s) <= 64 {
		return s
	}
	return strings.ToValidUTF8(s[:64], "") + "…"
}

// An InvalidError says which field of a task is wrong and what was expected. It
// never quotes a payload's value.
type InvalidError struct {
	Field string // a task's field, or a path inside the payload: payload.documents[2].text
	Want  string
}

func (e *InvalidError) Error() string { return e.Field + ": " + e.Want }

func invalid(field, format string, args ...any) *InvalidError {
	return &InvalidError{Field: field, Want: fmt.Sprintf(format, args...)}
}
