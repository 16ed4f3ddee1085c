package streams_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"sparkle/streams"
	"sparkle/tasks"
)

// A crew is many workers with many slots. Its leases are long enough for a
// machine of two cores to extend them all.
var crewLease = streams.Topology{AckWait: 9 * time.Second}

const (
	crewSlots = 120
	crewTasks = 1_050 // a full worker leases a few ahead, which do not run
	crewRuns  = 1_000
)

func crewWorker(client *streams.Client, meet func(context.Context, number) (number, error)) (*tasks.Worker, error) {
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[number, number]{Name: "meet"}, meet)
	return tasks.NewWorker(tasks.WorkerOptions{
		Source:   streams.NewSource(client, streams.SourceOptions{Topology: crewLease}),
		Registry: &r, Concurrency: crewSlots, AckWait: crewLease.AckWait,
	})
}

// A thousand tasks run at once on ten workers, five of which are killed. Each
// task ends once, and the leases that were lost are those of the dead.
func TestAThousandRunAtOnceOnTenWorkersOfWhichHalfDie(t *testing.T) {
	t.Parallel()
	server := listening(t, t.TempDir(), "127.0.0.1:0")
	h := connected(t, server.URL())
	if _, err := h.Client.Ensure(h.ctx, crewLease); err != nil {
		t.Fatal(err)
	}
	var dead []func()
	var elsewhere atomic.Int64
	for range 5 {
		cmd, lines := spawn(t, "crew", server.URL())
		go func() {
			for range lines {
				elsewhere.Add(1)
			}
		}()
		dead = append(dead, func() { _ = cmd.Process.Kill() }) // it may be dead already
	}
	var here, ended atomic.Int64
	release := make(chan struct{})
	for range 5 {
		w, err := crewWorker(h.Client, func(ctx context.Context, in number) (number, error) {
			here.Add(1)
			defer here.Add(-1)
			select {
			case <-release:
				ended.Add(1)
				return in, nil
			case <-ctx.Done():
				return in, context.Cause(ctx)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		h.run(w)
	}
	many := slices.Values(slices.Repeat([]streams.BulkTask{{Task: tasks.Task{Type: "meet", Payload: []byte(`{"n":1}`)}}}, crewTasks))
	if report, err := h.publisher(streams.PublisherOptions{}).Bulk(h.ctx, streams.BulkOptions{}, many); err != nil || report.Stored != crewTasks {
		t.Fatalf("Bulk = %+v, %v, want all stored", report, err)
	}
	h.until("a thousand run", func() bool { return here.Load()+elsewhere.Load() >= crewRuns })
	lost := elsewhere.Load()
	for _, kill := range dead {
		kill()
	}
	close(release)
	h.drained()
	if lost == 0 || ended.Load() != crewTasks {
		t.Errorf("%d ran on the workers that died, %d ended, want some and all %d", lost, ended.Load(), crewTasks)
	}
	list, err := h.Client.Tasks(h.ctx, streams.ListFilter{State: tasks.Succeeded, Limit: 2 * crewTasks})
	if err != nil || len(list) != crewTasks {
		t.Fatalf("%d tasks have succeeded (%v), want %d", len(list), err, crewTasks)
	}
	counted := int64(0)
	for _, info := range list {
		counted += int64(info.Lost)
	}
	if ahead := counted - lost; ahead < 0 || ahead > crewTasks-crewRuns {
		t.Errorf("%d lost leases are counted, want the %d of the handlers that died and at most what was leased ahead", counted, lost)
	}
}
