package cli

import (
	"fmt"
	"time"
)

// Age prints a duration in its largest unit: 12s, 3m, 5h, 2d. Times ahead of now
// read "in 3m".
func Age(d time.Duration) string {
	if d <= -time.Second {
		return "in " + Age(-d)
	}
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(int(d.Seconds()), 0))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

// Took prints how long something ran, to three digits: 2ms, 1.24s, 3m5s.
func Took(d time.Duration) string {
	switch {
	case d < 0:
		return ""
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.3gs", d.Seconds())
	default:
		return d.Round(time.Second).String()
	}
}
