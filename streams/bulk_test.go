package streams_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sparkle/embedded"
	"sparkle/streams"
	"sparkle/tasks"
)

// Told gathers the outcomes of a bulk by their tags.
type told struct {
	t  *testing.T
	mu sync.Mutex
	by map[int]streams.BulkOutcome
}

func (o *told) outcome(got streams.BulkOutcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if earlier, twice := o.by[got.Tag]; twice {
		o.t.Errorf("task %d was told twice: %+v and %+v", got.Tag, earlier, got)
	}
	o.by[got.Tag] = got
}

// Bulk publishes list, and checks that each task is told once and that what is
// stored is what was told to be.
func (h *harness) bulk(ctx context.Context, p *streams.Publisher, o streams.BulkOptions, items iter.Seq[streams.BulkTask]) (*told, streams.BulkReport, error) {
	h.t.Helper()
	outcomes := &told{t: h.t, by: map[int]streams.BulkOutcome{}}
	o.Outcome = outcomes.outcome
	report, err := p.Bulk(ctx, o, items)
	if sum := report.Stored + report.Waiting + report.Invalid + report.Failed + report.Skipped; sum != len(outcomes.by) {
		h.t.Errorf("Bulk = %+v, which counts %d, and %d were told", report, sum, len(outcomes.by))
	}
	return outcomes, report, err
}

// Told compares the stored ids with those of the outcomes.
func (h *harness) told(outcomes *told, besides ...string) {
	h.t.Helper()
	want := slices.Clone(besides)
	for _, o := range outcomes.by {
		if o.Err == nil {
			want = append(want, o.Receipt.ID+" "+o.Receipt.Run)
		}
	}
	list, err := h.Client.Tasks(h.ctx, streams.ListFilter{Limit: 100_000})
	if err != nil {
		h.t.Fatal(err)
	}
	var got []string
	for _, task := range list {
		got = append(got, task.ID+" "+task.Run)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		h.t.Errorf("stored tasks (-told +got):\n%s", diff)
	}
}

func list(tasks ...tasks.Task) iter.Seq[streams.BulkTask] {
	return func(yield func(streams.BulkTask) bool) {
		for i, task := range tasks {
			if !yield(streams.BulkTask{Tag: i, Task: task}) {
				return
			}
		}
	}
}

func TestBulkTellsOfEachTaskWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	for _, lanes := range []int{0, 3} {
		t.Run(fmt.Sprint(lanes, " lanes"), func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, streams.Topology{})
			var r tasks.Registry
			tasks.Declare(&r, tasks.Type[number, number]{Name: "count", Priority: tasks.Low})
			taken := h.publish(tasks.Task{Type: "count", ID: "taken", Payload: []byte(`{"n":1}`)})
			good := tasks.Task{Type: "count", Payload: []byte(`{"n":1}`)}
			with := func(change func(*tasks.Task)) tasks.Task {
				task := good
				change(&task)
				return task
			}
			outcomes, report, err := h.bulk(h.ctx, h.publisher(streams.PublisherOptions{Registry: &r}), streams.BulkOptions{Lanes: lanes}, list(
				with(func(task *tasks.Task) { task.ID = "taken" }), // the first of its batch
				good,
				with(func(task *tasks.Task) { task.ID = "own" }),
				with(func(task *tasks.Task) { task.ID = "own" }),
				with(func(task *tasks.Task) { task.Type = "nope" }),
				with(func(task *tasks.Task) { task.Payload = []byte(`{"n":"x"}`) }),
				with(func(task *tasks.Task) { task.At = time.Now().Add(time.Hour); task.ID = "later" }),
				with(func(task *tasks.Task) { task.ID = "taken"; task.Priority = tasks.High }),
				good,
			))
			if err != nil {
				t.Fatalf("Bulk: %v", err)
			}
			want := streams.BulkReport{Stored: 4, Waiting: 3, Invalid: 2, Took: report.Took}
			if diff := cmp.Diff(want, report); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
			for tag, field := range map[int]string{4: "type", 5: "payload.n"} {
				var invalid *tasks.InvalidError
				if err := outcomes.by[tag].Err; !errors.As(err, &invalid) || invalid.Field != field {
					t.Errorf("task %d: %v, want an InvalidError of field %s", tag, err, field)
				}
			}
			for tag, run := range map[int]string{0: taken.Run, 3: outcomes.by[2].Receipt.Run, 7: taken.Run} {
				var waiting *streams.WaitingError
				if err := outcomes.by[tag].Err; !errors.As(err, &waiting) || waiting.Run != run {
					t.Errorf("task %d: %v, want a WaitingError with run %s", tag, err, run)
				}
			}
			if got := outcomes.by[1].Receipt; got.Priority != tasks.Low || got.Pool != "main" || got.ID == "" {
				t.Errorf("receipt is %+v, want the type's priority and pool and a made id", got)
			}
			h.told(outcomes, "taken "+taken.Run)
		})
	}
}

// Duplicates one by one, in runs, and as most of the load: the first of an id is
// stored, whatever batch it fell into.
func TestBulkStoresTheFirstOfAnID(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	const n = 6_000
	id := func(i int) string {
		switch {
		case i < 2_000:
			return fmt.Sprintf("a%d", i%1_990) // few, late
		case i < 4_000:
			return fmt.Sprintf("b%d", i/5) // runs of five
		default:
			return fmt.Sprintf("c%d", i%50)
		}
	}
	p := h.publisher(streams.PublisherOptions{})
	outcomes, report, err := h.bulk(h.ctx, p, streams.BulkOptions{Lanes: 2}, copies(n, tasks.Task{Type: "count"}, id))
	if err != nil || report.Failed+report.Skipped+report.Invalid != 0 || report.Stored != 1_990+400+50 {
		t.Fatalf("Bulk = %+v, %v, want each of %d ids stored once", report, err, 1_990+400+50)
	}
	first := map[string]bool{}
	for i := range n {
		o := outcomes.by[i]
		if stored := o.Err == nil; stored == first[id(i)] || !stored && !errors.Is(o.Err, streams.ErrWaiting) {
			t.Fatalf("task %d of id %s: %v, while an earlier one is stored: %v", i, id(i), o.Err, first[id(i)])
		}
		first[id(i)] = true
	}
	h.told(outcomes)
}

// While the server goes away and comes back under a load, every task is stored
// once and told so.
func TestBulkThroughARestartLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	server := listening(t, store, "127.0.0.1:0")
	h := connected(t, server.URL())
	address := server.URL()[len("nats://"):]
	const n = 8_000
	at := map[int]bool{n / 4: true, n / 2: true}
	id := func(i int) string {
		if at[i] {
			if err := server.Close(); err != nil {
				t.Error(err)
			}
			server = listening(t, store, address)
		}
		if i%2 == 0 {
			return fmt.Sprintf("own-%d", i)
		}
		return ""
	}
	p := h.publisher(streams.PublisherOptions{Patience: 20 * time.Second})
	outcomes, report, err := h.bulk(h.ctx, p, streams.BulkOptions{Lanes: 2}, copies(n, tasks.Task{Type: "count"}, id))
	if err != nil || report.Stored != n {
		t.Fatalf("Bulk = %+v, %v, want %d stored", report, err, n)
	}
	h.told(outcomes)
}

// What was stored before its answer was lost, and has ended since, is not stored
// again.
func TestBulkDoesNotRunAgainWhatRanBeforeTheAnswerWasLost(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	server := listening(t, store, "127.0.0.1:0")
	h := connected(t, server.URL())
	address := server.URL()[len("nats://"):]
	var mu sync.Mutex
	ran := map[string]map[string]bool{} // id → its runs
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[struct{}, struct{}]{Name: "count"}, func(ctx context.Context, _ struct{}) (struct{}, error) {
		mu.Lock()
		defer mu.Unlock()
		d := tasks.Current(ctx)
		if ran[d.ID] == nil {
			ran[d.ID] = map[string]bool{}
		}
		ran[d.ID][d.Run] = true
		return struct{}{}, nil
	})
	h.work(&r, h.source())
	const n = 3_000
	id := func(i int) string {
		if i == n/2 {
			if err := server.Close(); err != nil {
				t.Error(err)
			}
			server = listening(t, store, address)
		}
		return fmt.Sprintf("own-%d", i)
	}
	task := tasks.Task{Type: "count", Payload: []byte(`{}`)}
	p := h.publisher(streams.PublisherOptions{Patience: 20 * time.Second})
	_, report, err := h.bulk(h.ctx, p, streams.BulkOptions{}, copies(n, task, id))
	if err != nil || report.Stored != n {
		t.Fatalf("Bulk = %+v, %v, want %d stored", report, err, n)
	}
	h.drained()
	for id, runs := range ran {
		if len(runs) != 1 {
			t.Errorf("task %s ran in %d runs, want one", id, len(runs))
		}
	}
	if len(ran) != n {
		t.Errorf("%d tasks ran, want %d", len(ran), n)
	}
}

func TestBulkEndsWhenAQueueIsFull(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	p := h.publisher(streams.PublisherOptions{MaxDepth: 500})
	outcomes, report, err := h.bulk(h.ctx, p, streams.BulkOptions{}, copies(100_000, tasks.Task{Type: "count"}, made))
	if !errors.Is(err, streams.ErrFull) || report.Stored != 500 || report.Failed != 1 {
		t.Errorf("Bulk = %+v, %v, want 500 stored and ErrFull", report, err)
	}
	h.told(outcomes)
}

func TestBulkEndsWithItsContextAndKnowsWhatIsStored(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	ctx, cancel := context.WithCancel(h.ctx)
	defer cancel()
	id := func(i int) string {
		if i == 1_000 {
			cancel()
		}
		return ""
	}
	outcomes, report, err := h.bulk(ctx, h.publisher(streams.PublisherOptions{}), streams.BulkOptions{}, copies(100_000, tasks.Task{Type: "count"}, id))
	if !errors.Is(err, context.Canceled) || report.Failed != 0 || report.Stored == 0 || report.Stored > 1_000 {
		t.Errorf("Bulk = %+v, %v, want at most 1,000 stored and none failed", report, err)
	}
	h.told(outcomes)
}

func TestBulkEndsWhenTheServerStaysAway(t *testing.T) {
	t.Parallel()
	server := listening(t, t.TempDir(), "127.0.0.1:0")
	h := connected(t, server.URL())
	id := func(i int) string {
		if i == 2_000 {
			if err := server.Close(); err != nil {
				t.Error(err)
			}
		}
		return ""
	}
	p := h.publisher(streams.PublisherOptions{Patience: 300 * time.Millisecond})
	outcomes, report, err := h.bulk(h.ctx, p, streams.BulkOptions{}, copies(100_000, tasks.Task{Type: "count"}, id))
	if !errors.Is(err, streams.ErrUnreachable) || report.Failed == 0 || report.Stored == 0 {
		t.Errorf("Bulk = %+v, %v, want ErrUnreachable with some stored and some failed", report, err)
	}
	for tag, o := range outcomes.by {
		if o.Err != nil && !errors.Is(o.Err, streams.ErrUnreachable) && !errors.Is(o.Err, streams.ErrNotTried) {
			t.Errorf("task %d: %v, want ErrUnreachable or ErrNotTried", tag, o.Err)
		}
	}
}

// A message that the server does not take is told, and does not keep the others.
func TestWhatTheServerFindsTooLargeIsToldOfItsTask(t *testing.T) {
	t.Parallel()
	server, err := embedded.New(embedded.Options{Store: t.TempDir(), Listen: "127.0.0.1:0", MaxPayload: 8 << 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	h := connected(t, server.URL())
	p := h.publisher(streams.PublisherOptions{})
	large := tasks.Task{ // half of what the server takes as payload, and as many headers
		Type: "count", ID: "large", Payload: []byte(`"` + strings.Repeat("x", 4000) + `"`),
		Headers: map[string]string{"x": strings.Repeat("y", 4<<10-1)},
	}
	small := tasks.Task{Type: "count"}
	outcomes, report, err := h.bulk(h.ctx, p, streams.BulkOptions{}, list(small, large, small))
	var invalid *tasks.InvalidError
	if err != nil || report.Stored != 2 || !errors.As(outcomes.by[1].Err, &invalid) || invalid.Field != "task" {
		t.Errorf("Bulk = %+v, %v with %+v, want an InvalidError of the large one alone", report, err, outcomes.by[1])
	}
	h.told(outcomes)
	var refused *streams.BatchError
	if _, err := p.PublishBatch(h.ctx, []tasks.Task{small, large}); !errors.As(err, &refused) || refused.Index != 1 || !errors.As(err, &invalid) {
		t.Errorf("PublishBatch = %v, want a BatchError of task 1", err)
	}
	if got := h.storedTasks(); got != 2 {
		t.Errorf("%d tasks are stored, want 2", got)
	}
}
