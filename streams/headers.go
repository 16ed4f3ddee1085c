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
	HeaderReplayed    = "Sparkle-Replayed"
	HeaderReplayedBy  = "Sparkle-Replayed-By"

	HeaderState    = "Sparkle-State"
	HeaderSequence = "Sparkle-Sequence"
	HeaderDelivery = "Sparkle-Delivery"
	HeaderReturned = "Sparkle-Returned"
	HeaderLost     = "Sparkle-Lost"
	HeaderPriority = "Sparkle-Priority"
	HeaderPool     = "Sparkle-Pool"
	HeaderWorker   = "Sparkle-Worker"
	HeaderTimes    = "Sparkle-Times"
	HeaderAt       = "Sparkle-At"
	HeaderReason   = "Sparkle-Reason"
	HeaderBy       = "Sparkle-By"

	HeaderHistory = "Sparkle-History"
	HeaderError   = "Sparkle-Error"
	HeaderDied    = "Sparkle-Died"

	HeaderBlob       = "Sparkle-Blob"
	HeaderBlobDigest = "Sparkle-Blob-Digest"
	HeaderBlobSize   = "Sparkle-Blob-Size"

	HeaderContentType     = "Content-Type"
	HeaderContentEncoding = "Content-Encoding"
)

// Headers gathers the headers of one message. What is empty is left out, and
// their values share one piece of memory, since every task pays for them.
type headers struct {
	built  nats.Header
	values []string
}

// ManyHeaders is as many as most messages have of ours.
const manyHeaders = 8

func (h *headers) set(name, value string) {
	if value == "" {
		return
	}
	if h.built == nil {
		h.built, h.values = make(nats.Header, manyHeaders), make([]string, 0, manyHeaders)
	}
	n := len(h.values)
	h.values = append(h.values, value)
	h.built[name] = h.values[n : n+1 : n+1]
}

// Number sets a number from a least value on, so that defaults cost no header.
func (h *headers) number(name string, n, least uint64) {
	if n >= least {
		h.set(name, strconv.FormatUint(n, 10))
	}
}

func (h *headers) time(name string, t time.Time) {
	if !t.IsZero() {
		h.set(name, formatTime(t))
	}
}
