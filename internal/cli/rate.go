package cli

import (
	"fmt"
	"strconv"
	"strings"
)

// A Rate is a number in a second, minute or hour as a flag; zero is no limit.
type Rate struct {
	text      string
	perSecond float64
}

const maxRate = 1e6 // in a second

// UnmarshalText reads "500/s", "30/m", "10/h", or "500" in a second.
func (r *Rate) UnmarshalText(text []byte) error {
	r.text = string(text)
	digits, unit, _ := strings.Cut(r.text, "/")
	seconds, known := map[string]float64{"": 1, "s": 1, "m": 60, "h": 3600}[unit]
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || !known || n == 0 || float64(n)/seconds > maxRate {
		return fmt.Errorf("want a number in a second, minute or hour, such as 500/s, 30/m or 10/h, got %q", Clip(r.text, 64))
	}
	r.perSecond = float64(n) / seconds
	return nil
}

// PerSecond returns the rate; 0 when the flag was not given.
func (r Rate) PerSecond() float64 { return r.perSecond }

// String returns the rate as it was given.
func (r Rate) String() string { return r.text }
