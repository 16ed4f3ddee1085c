package streams_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sparkle/embedded"
	"sparkle/streams"
	"sparkle/tasks"
)

func emptyServer(t *testing.T) *streams.Client {
	t.Helper()
	server, err := embedded.New(embedded.Options{Store: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	nc, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	client, err := streams.NewClient(nc, "")
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestEnsureCreatesOnceAndThenChangesNothing(t *testing.T) {
	t.Parallel()
	client := emptyServer(t)
	changes, err := client.Ensure(t.Context(), streams.Topology{Pools: []string{"main", "gpu"}})
	if err != nil || len(changes) != 5+2+6+1 {
		t.Fatalf("Ensure on an empty server = %v, %v, want 14 objects created", changes, err)
	}
	for _, change := range changes {
		if change.Action != "created" {
			t.Errorf("change %q, want created", change)
		}
	}
	if changes, err := client.Ensure(t.Context(), streams.Topology{Pools: []string{"main", "gpu"}}); err != nil || len(changes) != 0 {
		t.Errorf("Ensure again = %v, %v, want no changes", changes, err)
	}
}

func TestEnsureByManyAtOnce(t *testing.T) {
	t.Parallel()
	client := emptyServer(t)
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if _, err := client.Ensure(t.Context(), streams.Topology{}); err != nil {
				t.Errorf("Ensure: %v", err)
			}
		})
	}
	all.Wait()
}

func TestEnsureUpdatesWhatLosesNothing(t *testing.T) {
	t.Parallel()
	client := emptyServer(t)
	if _, err := client.Ensure(t.Context(), streams.Topology{}); err != nil {
		t.Fatal(err)
	}
	changes, err := client.Ensure(t.Context(), streams.Topology{DeadAge: 60 * 24 * time.Hour, AckWait: 20 * time.Second})
	if err != nil || len(changes) != 4 {
		t.Fatalf("Ensure with longer times = %v, %v, want the stream and three consumers updated", changes, err)
	}
	if text := changes[0].String(); !strings.Contains(text, "SPARKLE_DEAD updated: MaxAge: 720h0m0s → 1440h0m0s") {
		t.Errorf("change reads %q, want what changed from what to what", text)
	}
}

func TestEnsureRefusesToLoseData(t *testing.T) {
	t.Parallel()
	client := emptyServer(t)
	if _, err := client.Ensure(t.Context(), streams.Topology{}); err != nil {
		t.Fatal(err)
	}
	changes, err := client.Ensure(t.Context(), streams.Topology{DeadAge: time.Hour, UsageAge: 400 * 24 * time.Hour, Pools: []string{"main", "new"}})
	if !errors.Is(err, streams.ErrDestructive) || !strings.Contains(err.Error(), "SPARKLE_DEAD") {
		t.Errorf("Ensure with a shorter age = %v, want ErrDestructive naming the stream", err)
	}
	made := 0
	for _, change := range changes {
		if change.Action == "created" {
			made++
		}
	}
	if made != 3 {
		t.Errorf("changes %v, want the new pool's three consumers all the same", changes)
	}
	info, err := client.JS().Stream(t.Context(), "SPARKLE_DEAD")
	if err != nil || info.CachedInfo().Config.MaxAge != 30*24*time.Hour {
		t.Errorf("the stream was changed: %+v, %v", info.CachedInfo().Config, err)
	}
}

func TestEnsureLeavesForeignSettingsAlone(t *testing.T) {
	t.Parallel()
	client := emptyServer(t)
	if _, err := client.Ensure(t.Context(), streams.Topology{}); err != nil {
		t.Fatal(err)
	}
	stream, err := client.JS().Stream(t.Context(), "SPARKLE_EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.MaxBytes, config.MaxAge = 1<<30, 24*time.Hour
	if _, err := client.JS().UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Ensure(t.Context(), streams.Topology{}); err != nil {
		t.Fatal(err)
	}
	stream, err = client.JS().Stream(t.Context(), "SPARKLE_EVENTS")
	if err != nil || stream.CachedInfo().Config.MaxBytes != 1<<30 || stream.CachedInfo().Config.MaxAge != 7*24*time.Hour {
		t.Errorf("config %+v, %v; want the operator's MaxBytes kept and the age mended", stream.CachedInfo().Config, err)
	}
}

// A pool that no consumer had when its tasks were published is served from its
// first task on.
func TestAWorkerBringsItsPool(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	receipt := h.publish(tasks.Task{Type: "count", Pool: "gpu", Payload: []byte(`{"n":1}`)})
	if _, err := h.Client.JS().Consumer(h.ctx, "SPARKLE_TASKS", "default-gpu"); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		t.Fatalf("the pool has a consumer already (%v)", err)
	}
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[number, number]{Name: "count", Pool: "gpu"}, echo)
	h.work(&r, h.source(), func(o *tasks.WorkerOptions) { o.Pools = []string{"gpu"} })
	if result := h.ended(receipt.ID, receipt.Run); result.State != tasks.Succeeded {
		t.Errorf("ended %+v, want success", result)
	}
}

// A consumer that somebody deletes comes back, and its tasks are run.
func TestADeletedConsumerComesBack(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[number, number]{Name: "count"}, echo)
	h.work(&r, h.source())
	first := h.publish(tasks.Task{Type: "count", Payload: []byte(`{"n":1}`)})
	h.ended(first.ID, first.Run)
	if err := h.Client.JS().DeleteConsumer(h.ctx, "SPARKLE_TASKS", "default-main"); err != nil {
		t.Fatal(err)
	}
	second := h.publish(tasks.Task{Type: "count", Payload: []byte(`{"n":2}`)})
	if result := h.ended(second.ID, second.Run); result.State != tasks.Succeeded {
		t.Errorf("ended %+v, want success", result)
	}
}
