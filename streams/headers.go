package streams

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
	HeaderReady    = "Sparkle-Ready"
	HeaderStarted  = "Sparkle-Started"
	HeaderEnded    = "Sparkle-Ended"
	HeaderAt       = "Sparkle-At"
	HeaderReason   = "Sparkle-Reason"

	HeaderHistory = "Sparkle-History"
	HeaderError   = "Sparkle-Error"
	HeaderDied    = "Sparkle-Died"
)
