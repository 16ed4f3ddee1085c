package tasks

import (
	"math"
	"math/rand/v2"
	"time"
)

// Defaults of a retry policy and of a type's time limit.
const (
	DefaultAttempts = 5
	DefaultBase     = 2 * time.Second
	DefaultCap      = 10 * time.Minute
	DefaultTimeout  = 10 * time.Minute
)

// Retry is a type's policy for failed attempts. The delay after attempt n is
// uniform between 0 and min(Cap, Base × 2ⁿ): exponential back-off with full
// jitter (Brooker, "Exponential Backoff and Jitter", AWS 2015), which spreads a
// burst of failures over the whole interval.
type Retry struct {
	// Attempts is how many failed attempts a task may have. Default 5; 1 means
	// no retry.
	Attempts int `json:"attempts"`
	// Base is the unit of the delay. Default 2 s.
	Base time.Duration `json:"base_ns"`
	// Cap bounds a delay. Default 10 min.
	Cap time.Duration `json:"cap_ns"`
}

// Max returns the longest delay after failed attempt n (from 1).
func (r Retry) Max(n int) time.Duration {
	r = r.withDefaults()
	d := r.Base
	for range n {
		if d >= r.Cap/2 {
			return r.Cap
		}
		d *= 2
	}
	return min(d, r.Cap)
}

// Delay returns a random delay after failed attempt n (from 1).
func (r Retry) Delay(n int) time.Duration {
	longest := min(r.Max(n), math.MaxInt64-1)
	return rand.N(longest + 1)
}

func (r Retry) withDefaults() Retry {
	if r.Attempts <= 0 {
		r.Attempts = DefaultAttempts
	}
	if r.Base <= 0 {
		r.Base = DefaultBase
	}
	if r.Cap <= 0 {
		r.Cap = DefaultCap
	}
	return r
}
