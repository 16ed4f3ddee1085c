package streams_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"sparkle/streams"
)

func plan(t *testing.T, client *streams.Client, topology streams.Topology) []string {
	t.Helper()
	changes, err := client.Plan(t.Context(), topology)
	if err != nil {
		t.Fatalf("Plan(%+v): %v", topology, err)
	}
	lines := []string{}
	for _, change := range changes {
		lines = append(lines, change.String())
	}
	return lines
}

func TestPlanChangesNothing(t *testing.T) {
	t.Parallel()
	client := emptyServer(t)
	want := []string{
		"stream SPARKLE_TASKS created", "stream SPARKLE_EVENTS created", "stream SPARKLE_DEAD created",
		"stream SPARKLE_ADVISORIES created", "stream SPARKLE_USAGE created",
		"bucket SPARKLE_CONTROL created", "bucket SPARKLE_BLOBS created",
		"consumer high-main created", "consumer default-main created", "consumer low-main created", "consumer mover created",
	}
	for range 2 { // the second plan is the first one's, so nothing was made
		if diff := cmp.Diff(want, plan(t, client, streams.Topology{})); diff != "" {
			t.Errorf("Plan on an empty server (-want +got):\n%s", diff)
		}
	}
	if _, err := client.Ensure(t.Context(), streams.Topology{}); err != nil {
		t.Fatal(err)
	}
	if got := plan(t, client, streams.Topology{}); len(got) != 0 {
		t.Errorf("Plan after Ensure = %q, want nothing", got)
	}
}

// Each row is what an operator did to a stream; the plan names it, and Ensure
// mends what loses nothing.
func TestPlanNamesWhatDiffers(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		stream string
		edit   func(*jetstream.StreamConfig)
		want   string
	}{
		"a limit that drops tasks":   {"SPARKLE_TASKS", func(c *jetstream.StreamConfig) { c.MaxMsgs = 1000 }, "stream SPARKLE_TASKS updated: MaxMsgs: 1000 → -1"},
		"a size that drops tasks":    {"SPARKLE_TASKS", func(c *jetstream.StreamConfig) { c.MaxBytes = 1 << 20 }, "stream SPARKLE_TASKS updated: MaxBytes: 1048576 → -1"},
		"an age that drops tasks":    {"SPARKLE_TASKS", func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }, "stream SPARKLE_TASKS updated: MaxAge: 1h0m0s → 0s"},
		"less history of the bucket": {"KV_SPARKLE_CONTROL", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 }, "bucket SPARKLE_CONTROL updated: MaxMsgsPerSubject: 1 → 5"},
		"another marker":             {"KV_SPARKLE_CONTROL", func(c *jetstream.StreamConfig) { c.SubjectDeleteMarkerTTL = time.Hour }, "bucket SPARKLE_CONTROL updated: SubjectDeleteMarkerTTL: 1h0m0s → 24h0m0s"},
		"another description":        {"OBJ_SPARKLE_BLOBS", func(c *jetstream.StreamConfig) { c.Description = "mine" }, "bucket SPARKLE_BLOBS updated: Description: mine → Pictures and other results too large for an event."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := emptyServer(t)
			if _, err := client.Ensure(t.Context(), streams.Topology{}); err != nil {
				t.Fatal(err)
			}
			editStream(t, client, row.stream, row.edit)
			if got := plan(t, client, streams.Topology{}); !slices.Equal(got, []string{row.want}) {
				t.Errorf("Plan = %q, want %q", got, row.want)
			}
			if changes, err := client.Ensure(t.Context(), streams.Topology{}); err != nil || len(changes) != 1 || changes[0].String() != row.want {
				t.Errorf("Ensure = %v, %v, want %q", changes, err, row.want)
			}
			if got := plan(t, client, streams.Topology{}); len(got) != 0 {
				t.Errorf("Plan after Ensure = %q, want nothing", got)
			}
		})
	}
}

func editStream(t *testing.T, client *streams.Client, name string, edit func(*jetstream.StreamConfig)) {
	t.Helper()
	stream, err := client.JS().Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	edit(&config)
	if _, err := client.JS().UpdateStream(t.Context(), config); err != nil {
		t.Fatalf("edit %s: %v", name, err)
	}
}

func TestDestructiveChangesAreMadeOnlyWhenAskedFor(t *testing.T) {
	t.Parallel()
	client := emptyServer(t)
	if _, err := client.Ensure(t.Context(), streams.Topology{}); err != nil {
		t.Fatal(err)
	}
	shorter := streams.Topology{EventsAge: time.Hour}
	want := "stream SPARKLE_EVENTS refused: MaxAge: 168h0m0s → 1h0m0s (it keeps messages for 168h0m0s, and 1h0m0s would delete some)"
	if got := plan(t, client, shorter); !slices.Equal(got, []string{want}) {
		t.Errorf("Plan = %q, want %q", got, want)
	}
	if changes, err := client.Apply(t.Context(), shorter, streams.ApplyOptions{}); !errors.Is(err, streams.ErrDestructive) || changes[0].Action != streams.Refused {
		t.Errorf("Apply = %v, %v, want it refused", changes, err)
	}
	if changes, err := client.Apply(t.Context(), shorter, streams.ApplyOptions{Destructive: true}); err != nil || changes[0].Action != streams.Updated {
		t.Errorf("Apply with Destructive = %v, %v, want it updated", changes, err)
	}
	if got := plan(t, client, shorter); len(got) != 0 {
		t.Errorf("Plan after Apply = %q, want nothing", got)
	}
}

// What NATS cannot do is not done to please anybody: no stream is deleted.
func TestImpossibleChangesSayWhy(t *testing.T) {
	t.Parallel()
	client := emptyServer(t)
	if _, err := client.JS().CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "SPARKLE_DEAD", Subjects: []string{"sparkle.dead.*.*.*.*"}, Storage: jetstream.MemoryStorage, AllowMsgTTL: true,
	}); err != nil {
		t.Fatal(err)
	}
	changes, err := client.Apply(t.Context(), streams.Topology{}, streams.ApplyOptions{Destructive: true})
	i := slices.IndexFunc(changes, func(c streams.Change) bool { return c.Action == streams.Impossible })
	if !errors.Is(err, streams.ErrDestructive) || i < 0 || !strings.Contains(changes[i].String(), "a stream's storage cannot change: it is Memory, and File is wanted") {
		t.Errorf("Apply = %v, %v, want the storage named as impossible", changes, err)
	}
}

func TestConsumersOfOtherPoolsAreShownAndStay(t *testing.T) {
	t.Parallel()
	client := emptyServer(t)
	if _, err := client.Ensure(t.Context(), streams.Topology{Pools: []string{"main", "gpu"}}); err != nil {
		t.Fatal(err)
	}
	got := plan(t, client, streams.Topology{})
	if len(got) != 3 || !strings.HasPrefix(got[1], "consumer high-gpu unwanted (pool gpu is not named; it stays") {
		t.Errorf("Plan = %q, want the three consumers of gpu as unwanted", got)
	}
	if changes, err := client.Apply(t.Context(), streams.Topology{}, streams.ApplyOptions{Destructive: true}); err != nil || len(changes) != 0 {
		t.Errorf("Apply = %v, %v, want nothing done", changes, err)
	}
	if pools, err := client.Pools(t.Context()); err != nil || !slices.Equal(pools, []string{"gpu", "main"}) {
		t.Errorf("Pools = %v, %v, want both", pools, err)
	}
}
