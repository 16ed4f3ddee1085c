package streams_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sparkle/streams"
	"sparkle/tasks"
)

func batchOf(n int, id func(int) string) []tasks.Task {
	batch := make([]tasks.Task, n)
	for i := range batch {
		batch[i] = tasks.Task{Type: "count", ID: id(i), Payload: []byte(`{"n":1}`)}
	}
	return batch
}

func (h *harness) tasksStream() jetstream.Stream {
	h.t.Helper()
	stream, err := h.Client.JS().Stream(h.ctx, h.Client.Namespace().Stream("TASKS"))
	if err != nil {
		h.t.Fatal(err)
	}
	return stream
}

func (h *harness) storedTasks() int {
	h.t.Helper()
	return int(h.tasksStream().CachedInfo().State.Msgs)
}

func TestABatchIsStoredInOnePiece(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, streams.MaxBatch} {
		h := newHarness(t, shortLease)
		batch := batchOf(n, func(i int) string {
			if i%2 == 0 {
				return ""
			}
			return fmt.Sprintf("own-%d", i)
		})
		at := time.Now().Add(time.Hour)
		batch[n-1].At = at
		batch[0].Priority = tasks.High
		receipts, err := h.publisher(streams.PublisherOptions{}).PublishBatch(h.ctx, batch)
		if err != nil || len(receipts) != n {
			t.Fatalf("PublishBatch of %d = %d receipts, %v", n, len(receipts), err)
		}
		stream := h.tasksStream()
		for i := range receipts {
			m, err := stream.GetLastMsgForSubject(h.ctx, h.Client.Namespace().Anywhere(receipts[i].ID))
			if err != nil || cmp.Or(m.Header.Get(streams.HeaderRun), receipts[i].ID) != receipts[i].Run || m.Sequence != receipts[i].Sequence {
				t.Fatalf("stored is %+v, %v, want run and sequence of %+v", m, err, receipts[i])
			}
		}
		if info, err := h.Client.Task(h.ctx, receipts[n-1].ID); err != nil || info.State != tasks.Scheduled || info.Due == nil || !info.Due.Equal(at) {
			t.Errorf("Task = %+v, %v, want it scheduled for %v", info, err, at)
		}
		if got := h.storedTasks(); got != n {
			t.Errorf("%d tasks are stored, want %d", got, n)
		}
	}
}

func TestABatchThatIsRefusedStoresNothingAndNamesTheTask(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	var r tasks.Registry
	tasks.Declare(&r, tasks.Type[number, number]{Name: "count"})
	taken := h.publish(tasks.Task{Type: "count", ID: "taken", Payload: []byte(`{"n":1}`), At: time.Now().Add(time.Hour)})
	p := h.publisher(streams.PublisherOptions{Registry: &r, MaxDepth: 5})
	own := func(i int) string { return fmt.Sprintf("own-%d", i) }
	for _, c := range []struct {
		name   string
		change func([]tasks.Task)
		index  int
		id     string
		is     error  // one of
		field  string // the two
	}{
		{"an id that is scheduled", func(b []tasks.Task) { b[2].ID = "taken" }, 2, "taken", streams.ErrWaiting, ""},
		{"an id twice", func(b []tasks.Task) { b[1].ID = "own-0" }, 1, "own-0", streams.ErrWaiting, ""},
		{"a payload that does not fit", func(b []tasks.Task) { b[2].Payload = []byte(`{}`) }, 2, "own-2", nil, "payload.n"},
		{"an unknown type", func(b []tasks.Task) { b[0].Type = "nope"; b[0].ID = "" }, 0, "", nil, "type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			batch := batchOf(3, own)
			c.change(batch)
			receipts, err := p.PublishBatch(h.ctx, batch)
			var refused *streams.BatchError
			if !errors.As(err, &refused) || refused.Index != c.index || refused.ID != c.id || receipts != nil {
				t.Fatalf("PublishBatch = %v, %v, want a BatchError of task %d, id %q", receipts, err, c.index, c.id)
			}
			var invalid *tasks.InvalidError
			if c.field != "" && (!errors.As(err, &invalid) || invalid.Field != c.field) {
				t.Errorf("PublishBatch = %v, want an InvalidError of field %s", err, c.field)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("PublishBatch = %v, want %v", err, c.is)
			}
			var waiting *streams.WaitingError
			if c.id == "taken" && (!errors.As(err, &waiting) || waiting.Run != taken.Run) {
				t.Errorf("PublishBatch = %v, want a WaitingError of run %s", err, taken.Run)
			}
		})
	}
	for name, batch := range map[string][]tasks.Task{
		"no task": nil, "1,001 tasks": batchOf(streams.MaxBatch+1, own),
	} {
		if _, err := p.PublishBatch(h.ctx, batch); err == nil || !strings.Contains(err.Error(), "want 1 to 1000") {
			t.Errorf("PublishBatch of %s = %v, want the limits", name, err)
		}
	}
	if _, err := p.PublishBatch(h.ctx, batchOf(6, own)); !errors.Is(err, streams.ErrFull) {
		t.Errorf("PublishBatch of 6 with room for 5 = %v, want ErrFull", err)
	}
	if got := h.storedTasks(); got != 1 {
		t.Errorf("%d tasks are stored, want the one that was", got)
	}
	// What was refused took no room.
	if _, err := p.PublishBatch(h.ctx, batchOf(5, own)); err != nil {
		t.Errorf("PublishBatch of 5 with room for 5 = %v, want nil", err)
	}
}

// Batches that share one id: one of them is stored, whole.
func TestOfTwoBatchesWithOneIDOneIsStored(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	const publishers, size = 4, 50
	var stored atomic.Int64
	var publishing sync.WaitGroup
	for g := range publishers {
		p := h.publisher(streams.PublisherOptions{})
		publishing.Go(func() {
			batch := batchOf(size, func(i int) string { return fmt.Sprintf("own-%d-%d", g, i) })
			batch[size/2].ID = "shared"
			switch _, err := p.PublishBatch(h.ctx, batch); {
			case err == nil:
				stored.Add(1)
			case !errors.Is(err, streams.ErrWaiting):
				t.Errorf("PublishBatch: %v", err)
			}
		})
	}
	publishing.Wait()
	if got := h.storedTasks(); stored.Load() != 1 || got != size {
		t.Errorf("%d batches and %d tasks are stored, want one with %d", stored.Load(), got, size)
	}
}

// While the server is killed and comes back, each batch is stored once.
func TestBatchesThroughAKillOfTheServerAreStoredOnce(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	server, url := spawnServer(t, store, "127.0.0.1:0", 0)
	h := connected(t, url)
	p := h.publisher(streams.PublisherOptions{Patience: 20 * time.Second})
	const publishers, batches, size = 3, 20, 40
	var mu sync.Mutex
	var want []string
	var count atomic.Int64
	var publishing sync.WaitGroup
	for g := range publishers {
		publishing.Go(func() {
			for b := range batches {
				receipts, err := p.PublishBatch(h.ctx, batchOf(size, func(i int) string {
					if i%2 == 0 {
						return ""
					}
					return fmt.Sprintf("own-%d-%d-%d", g, b, i)
				}))
				if err != nil {
					t.Errorf("PublishBatch: %v", err)
					return
				}
				count.Add(1)
				mu.Lock()
				for _, r := range receipts {
					want = append(want, r.ID)
				}
				mu.Unlock()
			}
		})
	}
	h.until("some are stored", func() bool { return count.Load() >= batches })
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait() // says that it was killed
	spawnServer(t, store, url[len("nats://"):], 0)
	publishing.Wait()
	list, err := h.Client.Tasks(h.ctx, streams.ListFilter{Limit: 100_000})
	if err != nil || len(list) != publishers*batches*size || len(want) != len(list) {
		t.Fatalf("%d tasks are stored and %d were acknowledged (%v), want %d", len(list), len(want), err, publishers*batches*size)
	}
	for _, task := range list {
		if !slices.Contains(want, task.ID) {
			t.Errorf("task %s is stored and was not acknowledged", task.ID)
		}
	}
}

// A store that fills up in the middle of a batch makes the server stop there
// without an answer. It is told so, and once there is room the rest is stored.
func TestABatchOfAFullServerIsToldOrFinished(t *testing.T) {
	t.Parallel()
	large := incompressible(200 << 10)
	for _, room := range []bool{false, true} {
		t.Run(fmt.Sprint("room later: ", room), func(t *testing.T) {
			t.Parallel()
			_, url := spawnServer(t, t.TempDir(), "127.0.0.1:0", 4<<20)
			h := connected(t, url)
			const ballast, size = 10, 15
			for i := range ballast {
				h.publish(tasks.Task{Type: "count", ID: fmt.Sprint("ballast-", i), Payload: large})
			}
			var publishing sync.WaitGroup
			if room {
				publishing.Go(func() {
					h.until("the batch has begun", func() bool { return h.storedTasks() > ballast })
					for i := range ballast {
						subject := h.Client.Namespace().Anywhere(fmt.Sprint("ballast-", i))
						if err := h.tasksStream().Purge(h.ctx, jetstream.WithPurgeSubject(subject)); err != nil {
							t.Errorf("purge: %v", err)
						}
					}
				})
			}
			batch := batchOf(size, func(i int) string { return fmt.Sprint("own-", i) })
			for i := range batch {
				batch[i].Payload = large
			}
			receipts, err := h.publisher(streams.PublisherOptions{Patience: 4 * time.Second}).PublishBatch(h.ctx, batch)
			publishing.Wait()
			stored := h.storedTasks()
			switch {
			case room && (err != nil || stored != size || len(receipts) != size):
				t.Errorf("PublishBatch = %d receipts, %v, with %d tasks stored; want all %d", len(receipts), err, stored, size)
			case !room && (err == nil || !strings.Contains(err.Error(), fmt.Sprintf("stored %d of %d tasks and then no more", stored-ballast, size))):
				t.Errorf("PublishBatch = %v with %d tasks stored, want an error that says so", err, stored-ballast)
			}
		})
	}
}

// Tasks of a batch run like any other, at their time.
func TestTheTasksOfABatchRun(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	batch := batchOf(4, func(i int) string { return fmt.Sprint("own-", i) })
	batch[1].At, batch[3].At = time.Now().Add(300*time.Millisecond), time.Now().Add(300*time.Millisecond)
	receipts, err := h.publisher(streams.PublisherOptions{}).PublishBatch(h.ctx, batch)
	if err != nil {
		t.Fatal(err)
	}
	var failed sync.Map
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[number, number]{Name: "count", Retry: tasks.Retry{Base: time.Millisecond, Cap: time.Millisecond}},
		func(ctx context.Context, in number) (number, error) {
			if _, again := failed.LoadOrStore(tasks.Current(ctx).ID, true); !again {
				return in, errors.New("the first attempt")
			}
			return in, nil
		})
	h.work(&r, h.source())
	for _, receipt := range receipts {
		if result := h.ended(receipt.ID, receipt.Run); result.State != tasks.Succeeded || result.Attempt != 2 {
			t.Errorf("task %s ended %+v, want success at attempt 2", receipt.ID, result)
		}
	}
	h.drained()
}

func TestABatchWithoutAServerSaysSo(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	p := h.publisher(streams.PublisherOptions{Patience: 300 * time.Millisecond})
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.PublishBatch(h.ctx, batchOf(3, made)); !errors.Is(err, streams.ErrUnreachable) {
		t.Errorf("PublishBatch = %v, want ErrUnreachable", err)
	}
}
