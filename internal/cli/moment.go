package cli

import (
	"fmt"
	"time"
)

// A Moment is a point in time as a flag: RFC 3339, or a duration from now.
type Moment struct {
	text string
	at   time.Time
	in   time.Duration
}

// UnmarshalText reads "2h" or "2026-05-01T08:00:00Z".
func (m *Moment) UnmarshalText(text []byte) error {
	m.text = string(text)
	if in, err := time.ParseDuration(m.text); err == nil {
		m.in = in
		return nil
	}
	at, err := time.Parse(time.RFC3339, m.text)
	if err != nil {
		return fmt.Errorf("want a duration such as 2h or a time such as 2026-05-01T08:00:00Z, got %q", m.text)
	}
	m.at = at
	return nil
}

// After returns the moment, a duration counted forward from now; zero when the
// flag was not given.
func (m Moment) After(now time.Time) time.Time { return m.from(now, m.in) }

// Before is as After, a duration counted back from now.
func (m Moment) Before(now time.Time) time.Time { return m.from(now, -m.in) }

func (m Moment) from(now time.Time, d time.Duration) time.Time {
	if m.text == "" || !m.at.IsZero() {
		return m.at
	}
	return now.Add(d)
}
