package main_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	sparkle "sparkle/cmd/sparkle"
	"sparkle/internal/cli/clitest"
)

type measured struct {
	Phase          string  `json:"phase"`
	Tasks          int     `json:"tasks"`
	PerSecond      float64 `json:"per_second"`
	P50            float64 `json:"p50_us"`
	P99            float64 `json:"p99_us"`
	FloorPerSecond float64 `json:"floor_per_second"`
	FloorP50       float64 `json:"floor_p50_us"`
	Ratio          float64 `json:"ratio"`
}

func TestBenchMeasuresEachPhaseBesideItsFloor(t *testing.T) {
	t.Parallel()
	got := clitest.Run(t, sparkle.Run, clitest.Input{Args: []string{"bench", "--tasks", "200", "--rounds", "2", "-o", "json"}})
	var list []measured
	if err := json.Unmarshal([]byte(got.Out), &list); err != nil || got.Code != 0 {
		t.Fatalf("exit %d, %v: %s%s", got.Code, err, got.Out, got.Err)
	}
	found := map[string]measured{}
	for _, m := range list {
		found[m.Phase] = m
	}
	for _, phase := range []string{"enqueue", "drain"} {
		if m := found[phase]; m.Tasks != 400 || m.PerSecond <= 0 || m.FloorPerSecond <= 0 || m.Ratio <= 0 {
			t.Errorf("%s = %+v, want 400 tasks, two rates and their ratio", phase, m)
		}
	}
	if m := found["latency"]; m.Tasks != 400 || m.P50 <= 0 || m.P99 < m.P50 || m.FloorP50 <= 0 || m.Ratio <= 0 {
		t.Errorf("latency = %+v, want 400 tasks, times and a ratio", m)
	}
	if m := found["await"]; m.P50 <= 0 || m.P99 < m.P50 {
		t.Errorf("await = %+v, want times", m)
	}
}

func TestBenchLeavesNothingOnTheServerThatWasNamed(t *testing.T) {
	f := newFleet(t)
	got := f.run(t, "bench", "--tasks", "100", "--rounds", "1", "--phases", "enqueue,drain", "--nats-url", f.URL(), "-o", "name")
	if got.Code != 0 || got.Out != "enqueue\ndrain\n" {
		t.Fatalf("exit %d: %s%s", got.Code, got.Out, got.Err)
	}
	js, err := jetstream.New(f.Conn)
	if err != nil {
		t.Fatal(err)
	}
	for name := range js.StreamNames(t.Context()).Name() {
		if strings.Contains(name, "BENCH") {
			t.Errorf("stream %s is left", name)
		}
	}
}

func TestBenchRefusesNumbersOutOfBounds(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--tasks", "10"}, {"--rounds", "0"}, {"--producers", "0"}, {"--slots", "10001"}, {"--phases", "nothing"},
	} {
		got := clitest.Run(t, sparkle.Run, clitest.Input{Args: append([]string{"bench"}, args...)})
		if got.Code != 2 {
			t.Errorf("bench %v: exit %d, want 2: %s", args, got.Code, got.Err)
		}
		clitest.Contains(t, got.Err, args[0])
	}
}
