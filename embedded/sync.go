package embedded

import (
	"fmt"
	"time"
)

const (
	minSync     = 10 * time.Millisecond
	maxSync     = 10 * time.Minute
	defaultSync = Sync(time.Second)
)

// SyncAlways forces every message to disk before its publish is confirmed.
// From one goroutine that gives about 3,000 publishes a second in place of
// 40,000.
const SyncAlways Sync = -1

// A Sync is how often a server forces written messages to disk: an interval,
// or SyncAlways. A power loss costs what was written since the last time; a
// killed process costs nothing either way. As a flag it reads what ParseSync
// reads.
type Sync time.Duration

// ParseSync reads "always" or an interval such as "1s", from 10ms to 10m.
func ParseSync(text string) (Sync, error) {
	if text == "always" {
		return SyncAlways, nil
	}
	every, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf(`read sync %q: want "always" or a duration such as "1s"`, text)
	}
	if err := checkInterval(every); err != nil {
		return 0, err
	}
	return Sync(every), nil
}

// String returns the text that ParseSync reads.
func (s Sync) String() string {
	if s == SyncAlways {
		return "always"
	}
	return time.Duration(s).String()
}

// UnmarshalText sets s as ParseSync does.
func (s *Sync) UnmarshalText(text []byte) error {
	parsed, err := ParseSync(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

// interval is the server's sync interval. SyncAlways has one too: it syncs
// messages, and the interval syncs what it leaves out, such as deletes.
func (s Sync) interval() time.Duration {
	if s == SyncAlways {
		return time.Duration(defaultSync)
	}
	return time.Duration(s)
}

// check returns an error when s is neither SyncAlways nor within its limits.
func (s Sync) check() error {
	if s == SyncAlways {
		return nil
	}
	return checkInterval(time.Duration(s))
}

func checkInterval(every time.Duration) error {
	if every < minSync || every > maxSync {
		return fmt.Errorf(`check Sync: %v, want "always" or %v to %v`, every, minSync, maxSync)
	}
	return nil
}
