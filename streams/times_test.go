package streams_test

import (
	"testing"
	"time"

	"sparkle/streams"
)

func TestTimesOfAnAttemptAreOneHeader(t *testing.T) {
	t.Parallel()
	ready := time.Date(2026, 11, 24, 8, 0, 0, 250_000_000, time.UTC)
	for name, row := range map[string]struct {
		started, ended time.Time
		want           string
	}{
		"it ran":                {ready.Add(1200 * time.Microsecond), ready.Add(1500 * time.Millisecond), "2026-11-24T08:00:00.25Z 0.0012 1.5"},
		"it runs":               {ready.Add(time.Hour), time.Time{}, "2026-11-24T08:00:00.25Z 3600"},
		"no handler was called": {time.Time{}, ready.Add(time.Second), "2026-11-24T08:00:00.25Z - 1"},
		"nothing happened yet":  {time.Time{}, time.Time{}, "2026-11-24T08:00:00.25Z"},
		"another clock":         {ready.Add(-time.Second), ready, "2026-11-24T08:00:00.25Z -1 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := streams.FormatTimes(ready, row.started, row.ended); got != row.want {
				t.Errorf("FormatTimes = %q, want %q", got, row.want)
			}
			gotReady, started, ended := streams.ParseTimes(row.want)
			if !gotReady.Equal(ready) || !started.Equal(row.started) || !ended.Equal(row.ended) {
				t.Errorf("ParseTimes(%q) = %v, %v, %v, want %v, %v, %v", row.want, gotReady, started, ended, ready, row.started, row.ended)
			}
		})
	}
	for _, text := range []string{"", "x", "x 1 2", "2026-11-24T08:00:00Z 1e300 NaN", "2026-11-24T08:00:00Z  x"} {
		if _, started, ended := streams.ParseTimes(text); !started.IsZero() || !ended.IsZero() {
			t.Errorf("ParseTimes(%q) = %v, %v, want no times", text, started, ended)
		}
	}
}
