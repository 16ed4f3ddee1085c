package main_test

import (
	"strings"
	"testing"
	"time"

	"sparkle/internal/cli/clitest"
)

func TestTopologyPlanExitsWithFourWhereTheServerDiffers(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	if got := f.run(t, "topology", "plan"); got.Code != 0 || got.Out != "" || got.Err != "the server has this topology\n" {
		t.Errorf("plan = %+v, want nothing and 0", got)
	}
	got := f.run(t, "topology", "plan", "--pools", "main,gpu", "--dead-age", "1440h")
	if got.Code != 4 {
		t.Errorf("exit %d, want 4: %s", got.Code, got.Err)
	}
	clitest.Contains(t, got.Out, "WOULD BE", "stream SPARKLE_DEAD", "updated", "MaxAge: 720h0m0s → 1440h0m0s", "consumer high-gpu", "created")
	clitest.Contains(t, got.Err, "the server differs from the topology in 4 of its objects", "hint: sparkle topology apply")
	for _, format := range formats() {
		got := f.run(t, "topology", "plan", "--pools", "main,gpu", "--dead-age", "1440h", "-o", format)
		clitest.Golden(t, "topology-plan."+format, got.Out)
	}
}

func TestTopologyApplyDoesWhatThePlanSays(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	got := f.run(t, "topology", "apply", "--pools", "main,gpu", "--events-age", "240h", "-o", "name")
	if want := "stream SPARKLE_EVENTS\nconsumer high-gpu\nconsumer default-gpu\nconsumer low-gpu\n"; got.Code != 0 || got.Out != want {
		t.Errorf("apply = %+v, want %q", got, want)
	}
	// Without --pools those of the server stay.
	if got := f.run(t, "topology", "plan", "--events-age", "240h"); got.Code != 0 {
		t.Errorf("plan = %+v, want no difference", got)
	}
	if got := f.run(t, "topology", "plan", "--events-age", "240h", "--pools", "main"); got.Code != 0 || strings.Count(got.Out, "unwanted") != 3 {
		t.Errorf("plan without gpu = %+v, want its consumers shown, and no difference", got)
	}
}

func TestTopologyApplyLosesNothingUnasked(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	age := func() time.Duration {
		stream, err := f.js(t).Stream(t.Context(), "SPARKLE_EVENTS")
		if err != nil {
			t.Fatal(err)
		}
		return stream.CachedInfo().Config.MaxAge
	}
	got := f.run(t, "topology", "apply", "--events-age", "1h")
	if got.Code != 4 || !strings.Contains(got.Out, "refused") || age() != 168*time.Hour {
		t.Errorf("apply = %+v, want it refused", got)
	}
	clitest.Contains(t, got.Err, "1 of the objects were left as they are", "--allow-destructive")
	got = f.run(t, "topology", "apply", "--events-age", "1h", "--allow-destructive")
	if got.Code != 2 || got.Out != "" || age() != 168*time.Hour {
		t.Errorf("apply --allow-destructive = %+v, want that nobody confirms it", got)
	}
	clitest.Contains(t, got.Err, "SPARKLE_EVENTS: it keeps messages for 168h0m0s", "needs --force where no terminal is")
	got = f.run(t, "topology", "apply", "--events-age", "1h", "--allow-destructive", "-f")
	if got.Code != 0 || age() != time.Hour {
		t.Errorf("apply --allow-destructive -f = %+v, want it done", got)
	}
}

func TestTopologyFlagsAreChecked(t *testing.T) {
	for args, want := range map[string]string{
		"topology plan --pools a*":           `--pools: "a*" is not`,
		"topology plan --replicas 9":         "--replicas: 9 is not within 1 to 5",
		"topology apply --events-age 1s":     "--events-age: 1s is less than 1m0s",
		"topology apply --events-per-task 1": "--events-per-task: 1 is less than 10",
		"doctor --sample 0":                  "--sample: 0 is not within",
		"doctor --wait 2h":                   "--wait: 2h0m0s is not within",
		"doctor --dead-age=-1h":              "--dead-age: -1h0m0s is less than",
	} {
		got := clitest.Run(t, run, clitest.Input{Args: strings.Fields(args)})
		if got.Code != 2 || !strings.Contains(got.Err, want) {
			t.Errorf("%s: %+v, want 2 with %q", args, got, want)
		}
	}
}
