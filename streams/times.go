package streams

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// FormatTimes writes the three times of an attempt as one header, since every
// event pays for each: when the task became ready, and after how many seconds
// from then its handler was called and had ended, - where it was not.
func formatTimes(ready, started, ended time.Time) string {
	if ready.IsZero() {
		return ""
	}
	b := ready.UTC().AppendFormat(make([]byte, 0, 64), time.RFC3339Nano)
	if !started.IsZero() || !ended.IsZero() {
		b = appendSince(b, ready, started)
	}
	if !ended.IsZero() {
		b = appendSince(b, ready, ended)
	}
	return string(b)
}

func appendSince(b []byte, ready, at time.Time) []byte {
	b = append(b, ' ')
	if at.IsZero() {
		return append(b, '-')
	}
	d := at.Sub(ready)
	if d < 0 {
		b, d = append(b, '-'), -d
	}
	b = strconv.AppendInt(b, int64(d/time.Second), 10)
	if d %= time.Second; d > 0 {
		digits := strconv.AppendInt(nil, int64(time.Second+d), 10) // 1 and nine digits
		b = append(append(b, '.'), bytes.TrimRight(digits[1:], "0")...)
	}
	return b
}

// ParseTimes reads them; what makes no sense is zero.
func parseTimes(text string) (ready, started, ended time.Time) {
	first, rest, _ := strings.Cut(text, " ")
	if first == "" {
		return ready, started, ended
	}
	ready, err := time.Parse(time.RFC3339Nano, first)
	if err != nil {
		return time.Time{}, started, ended
	}
	second, third, _ := strings.Cut(rest, " ")
	return ready, since(ready, second), since(ready, third)
}

func since(ready time.Time, seconds string) time.Time {
	if seconds == "" || seconds == "-" {
		return time.Time{}
	}
	d, err := time.ParseDuration(seconds + "s")
	if err != nil {
		return time.Time{}
	}
	return ready.Add(d)
}
