package streams

import (
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// Headers of tasks, events and dead letters; docs/envelope.md says which stands
// where, with defaults and limits.
const (
	HeaderRun         = "Sparkle-Run"
	HeaderAttempt     = "Sparkle-Attempt"
	HeaderMaxAttempts = "Sparkle-Max-Attempts"
	HeaderTimeout     = "Sparkle-Timeout"
	HeaderExpires     = "Sparkle-Expires"
	HeaderUser        = "Sparkle-User"
	HeaderParked      = "Sparkle-Parked"

	HeaderState    = "Sparkle-State"
	HeaderSequence = "Sparkle-Sequence"
	HeaderDelivery = "Sparkle-Delivery"
	HeaderReturned = "Sparkle-Returned"
	HeaderLost     = "Sparkle-Lost"
	HeaderPriority = "Sparkle-Priority"
	HeaderPool     = "Sparkle-Pool"
	HeaderWorker   = "Sparkle-Worker"
	HeaderReady    = "Sparkle-Ready"
	HeaderStarted  = "Sparkle-Started"
	HeaderEnded    = "Sparkle-Ended"
	HeaderAt       = "Sparkle-At"
	HeaderReason   = "Sparkle-Reason"
	HeaderBy       = "Sparkle-By"

	HeaderHistory = "Sparkle-History"
	HeaderError   = "Sparkle-Error"
)

// MaxSet is how many headers of ours a message has at most.
const maxSet = 24

// Headers gathers the headers of one message. What is empty is left out. They
// are many and every task pays for them, so that their values share what memory
// they need.
type headers struct {
	names  [maxSet]string
	values [maxSet]string
	count  int
}

func (h *headers) set(name, value string) {
	if value == "" {
		return
	}
	h.names[h.count], h.values[h.count] = name, value
	h.count++
}

// Number sets a number from a least value on, so that defaults cost no header.
func (h *headers) number(name string, n, least uint64) {
	if n < least {
		return
	}
	h.set(name, strconv.FormatUint(n, 10))
}

func (h *headers) time(name string, t time.Time) {
	if !t.IsZero() {
		h.set(name, formatTime(t))
	}
}

// Build returns the headers as a map, beside which others may be set.
func (h *headers) build() nats.Header {
	built := make(nats.Header, h.count)
	values := make([]string, h.count)
	copy(values, h.values[:])
	for i, name := range h.names[:h.count] {
		built[name] = values[i : i+1 : i+1]
	}
	return built
}
