package main_test

import (
	"encoding/json"
	"testing"

	"sparkle/internal/cli/clitest"
)

func TestDemoRunsASampleOfEveryType(t *testing.T) {
	got := clitest.Run(t, run, clitest.Input{Args: []string{"demo"}})
	if got.Code != 0 {
		t.Fatalf("exit %d: %s", got.Code, got.Err)
	}
	clitest.Golden(t, "demo.table", got.Out)
	got = clitest.Run(t, run, clitest.Input{Args: []string{"demo", "-o", "json"}})
	var results []struct {
		Type, ID, State string
		Result          json.RawMessage
	}
	if err := json.Unmarshal([]byte(got.Out), &results); err != nil || len(results) < 3 {
		t.Fatalf("%v: %s", err, got.Out)
	}
	for _, r := range results {
		if r.State != "succeeded" || r.ID == "" || len(r.Result) == 0 {
			t.Errorf("sample is %+v, want a success with a result", r)
		}
	}
}

func TestDemoThatTakesTooLongIsATimeOut(t *testing.T) {
	got := clitest.Run(t, run, clitest.Input{Args: []string{"demo", "--timeout", "1ns"}})
	if got.Code != 5 || got.Out != "" {
		t.Errorf("exit %d with %q, want 5 with nothing: %s", got.Code, got.Out, got.Err)
	}
}

func TestVersionTellsTheBuild(t *testing.T) {
	got := clitest.Run(t, run, clitest.Input{Args: []string{"version", "-o", "json"}})
	var build struct{ Version, Go, Platform string }
	if err := json.Unmarshal([]byte(got.Out), &build); err != nil || build.Version == "" || build.Go == "" || build.Platform == "" {
		t.Errorf("version is %+v (%v), want all of it: %s", build, err, got.Out)
	}
	clitest.Contains(t, clitest.Run(t, run, clitest.Input{Args: []string{"version"}}).Out, "sparkle    ", "platform   ")
}

func TestHelpShowsTheWholeSurface(t *testing.T) {
	t.Setenv("COLUMNS", "100")
	got := clitest.Run(t, run, clitest.Input{Args: []string{"--help"}})
	if got.Code != 0 || got.Err != "" {
		t.Errorf("exit %d with %q on stderr, want 0 with nothing", got.Code, got.Err)
	}
	clitest.Golden(t, "help", got.Out)
}
