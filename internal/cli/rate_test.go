package cli_test

import (
	"testing"

	"sparkle/internal/cli"
)

func TestRateIsReadWithItsUnit(t *testing.T) {
	for text, want := range map[string]float64{"500/s": 500, "500": 500, "30/m": 0.5, "36/h": 0.01, "1000000": 1e6} {
		var r cli.Rate
		if err := r.UnmarshalText([]byte(text)); err != nil || r.PerSecond() != want || r.String() != text {
			t.Errorf("UnmarshalText(%q) = %v with %v/s, want %v/s", text, err, r.PerSecond(), want)
		}
	}
	for _, text := range []string{"", "0", "-1/s", "1.5/s", "1/d", "/s", "1/s/s", "1000001", "99999999999999999999"} {
		if err := new(cli.Rate).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("UnmarshalText(%q) = nil, want an error", text)
		}
	}
}
