package streams_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sparkle/streams"
	"sparkle/streams/streamstest"
	"sparkle/tasks"
)

func TestMain(m *testing.M) {
	if role, where, ok := strings.Cut(os.Getenv(childRole), " "); ok {
		child(role, where)
		return
	}
	goleak.VerifyTestMain(m, streamstest.KnownLeak())
}

// ShortLease is the topology of tests in which leases are lost.
var shortLease = streams.Topology{AckWait: 500 * time.Millisecond}

type number struct {
	N int `json:"n"`
}

// A harness is a server with what a test needs to publish and to run tasks.
type harness struct {
	*streamstest.Server
	t        *testing.T
	ctx      context.Context
	topology streams.Topology
}

func newHarness(t *testing.T, topology streams.Topology) *harness {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return &harness{streamstest.New(t, streamstest.Options{Topology: topology}), t, ctx, topology}
}

// Connected is a harness over a server that the test itself starts and stops.
func connected(t *testing.T, url string) *harness {
	t.Helper()
	nc, err := streams.Connect(streams.ConnectOptions{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	client, err := streams.NewClient(nc, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	if _, err := client.Ensure(ctx, shortLease); err != nil {
		t.Fatal(err)
	}
	return &harness{&streamstest.Server{Client: client, Conn: nc}, t, ctx, shortLease}
}

func (h *harness) publisher(o streams.PublisherOptions) *streams.Publisher {
	return streams.NewPublisher(h.Client, o)
}

func (h *harness) publish(task tasks.Task) streams.Receipt {
	h.t.Helper()
	receipt, err := h.publisher(streams.PublisherOptions{}).Publish(h.ctx, task)
	if err != nil {
		h.t.Fatalf("Publish(%+v): %v", task, err)
	}
	return receipt
}

func (h *harness) source() *streams.Source {
	return streams.NewSource(h.Client, streams.SourceOptions{Topology: h.topology})
}

// Work runs a worker until the returned function is called or the test ends.
func (h *harness) work(r *tasks.Registry, source tasks.Source, change ...func(*tasks.WorkerOptions)) (stop func()) {
	h.t.Helper()
	o := tasks.WorkerOptions{Source: source, Registry: r, AckWait: h.topology.AckWait, Grace: -1, Stuck: 2 * time.Second}
	for _, c := range change {
		c(&o)
	}
	w, err := tasks.NewWorker(o)
	if err != nil {
		h.t.Fatalf("NewWorker(%+v): %v", o, err)
	}
	return h.run(w)
}

func (h *harness) run(w *tasks.Worker) (stop func()) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Errorf("Run = %v, want nil", err)
		}
	})
	h.t.Cleanup(stop)
	return stop
}

// Until polls cond until it holds or the test's time is over.
func (h *harness) until(what string, cond func() bool) {
	h.t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !cond() {
		select {
		case <-h.ctx.Done():
			h.t.Fatalf("waited in vain until %s", what)
		case <-ticker.C:
		}
	}
}

// Ended awaits a run and returns its result, failed or not.
func (h *harness) ended(id, run string) streams.Result {
	h.t.Helper()
	result, err := h.Client.Await(h.ctx, id, run)
	if failed := (*streams.FailedError)(nil); err != nil && !errors.As(err, &failed) {
		h.t.Fatalf("Await(%s, %s): %v", id, run, err)
	}
	return result
}

func (h *harness) deadLetters(id string) []streams.DeadLetter {
	h.t.Helper()
	var letters []streams.DeadLetter
	err := h.Client.DeadLetters(h.ctx, streams.DeadFilter{ID: id}, func(d streams.DeadLetter) bool {
		letters = append(letters, d)
		return true
	})
	if err != nil {
		h.t.Fatalf("DeadLetters(%q): %v", id, err)
	}
	return letters
}

// Drained waits until TASKS holds no message.
func (h *harness) drained() {
	h.t.Helper()
	h.until("no task is left", func() bool {
		queues, err := h.Client.Queues(h.ctx)
		left := uint64(0)
		for _, q := range queues {
			left += q.Waiting + q.Scheduled + uint64(q.Running)
		}
		return err == nil && left == 0
	})
}
