package embedded_test

import (
	"strings"
	"testing"
	"time"

	"sparkle/embedded"
)

func TestParseSync(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want embedded.Sync
		back string
	}{
		{"always", embedded.SyncAlways, "always"},
		{"1s", embedded.Sync(time.Second), "1s"},
		{"10ms", embedded.Sync(10 * time.Millisecond), "10ms"},
		{"10m", embedded.Sync(10 * time.Minute), "10m0s"},
	}
	for _, test := range tests {
		var got embedded.Sync
		if err := got.UnmarshalText([]byte(test.text)); err != nil || got != test.want {
			t.Errorf("UnmarshalText(%q) = %v, %v, want %v", test.text, got, err, test.want)
		}
		if got.String() != test.back {
			t.Errorf("String of %q = %q, want %q", test.text, got, test.back)
		}
	}
}

func TestParseSyncRefusesWhatIsNoInterval(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "never", "1", "0s", "-1ns", "9ms", "11m", "Always"} {
		got, err := embedded.ParseSync(text)
		if err == nil || !strings.Contains(err.Error(), `want "always" or`) {
			t.Errorf("ParseSync(%q) = %v, %v, want an error that tells what is read", text, got, err)
		}
		kept := embedded.SyncAlways
		if err := kept.UnmarshalText([]byte(text)); err == nil || kept != embedded.SyncAlways {
			t.Errorf("UnmarshalText(%q) = %v, %v, want an error and no change", text, kept, err)
		}
	}
}
