//go:build e2e && linux

package streams_test

import (
	"context"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sparkle/embedded"
	"sparkle/streams"
	"sparkle/tasks"
)

// SmallDisk is a file system of that size, such as "16m", of the test's own.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a full disk needs a file system of its own, and so root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("mount a small file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// A disk runs full under load. What was acknowledged is there after a restart
// with room, nothing is there twice, and every task is run.
func TestAFullDiskLosesNothingThatWasAcknowledged(t *testing.T) {
	dir := smallDisk(t, "16m")
	server, err := embedded.New(embedded.Options{Store: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	h := connected(t, server.URL())
	p := h.publisher(streams.PublisherOptions{Patience: time.Second})
	payload := incompressible(100_000)
	acknowledged := map[string]bool{}
	var refusal error
	for i := 0; refusal == nil && i < 1000; i++ {
		var receipt streams.Receipt
		if receipt, refusal = p.Publish(h.ctx, tasks.Task{Type: "kept", Payload: payload}); refusal == nil {
			acknowledged[receipt.ID] = true
		}
	}
	t.Logf("after %d tasks: %v; health: %v", len(acknowledged), refusal, server.Ready())
	if refusal == nil || strings.Contains(refusal.Error(), string(payload[20:60])) {
		t.Errorf("Publish on a full disk = %v, want an error without the payload", refusal)
	}
	if err := server.Ready(); err == nil || !strings.Contains(err.Error(), "SPARKLE_TASKS") {
		t.Errorf("Ready = %v, want it to name the stream", err)
	}
	h.Conn.Close()
	if err := server.Close(); err != nil {
		t.Logf("close on a full disk: %v", err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=256m"); err != nil {
		t.Fatal(err)
	}
	again := connected(t, listening(t, dir, "127.0.0.1:0").URL())
	runs := map[string]*atomic.Int64{}
	for id := range acknowledged {
		runs[id] = new(atomic.Int64)
	}
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[map[string]string, int]{Name: "kept"}, func(ctx context.Context, _ map[string]string) (int, error) {
		if n := runs[tasks.Current(ctx).ID]; n != nil {
			n.Add(1)
		}
		return 0, nil
	})
	again.work(&r, again.source())
	again.drained()
	for id, n := range runs {
		if n.Load() != 1 {
			t.Errorf("task %s ran %d times, want once", id, n.Load())
		}
	}
}
