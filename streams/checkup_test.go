package streams_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sparkle/streams"
	"sparkle/tasks"
)

func (h *harness) checkup(o streams.CheckupOptions) *streams.Checkup {
	return streams.NewCheckup(h.Client, o)
}

func (h *harness) queueFacts(q tasks.Queue) streams.QueueFacts {
	h.t.Helper()
	list, err := h.checkup(streams.CheckupOptions{}).Queues(h.ctx, nil, 50*time.Millisecond)
	if err != nil {
		h.t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(f streams.QueueFacts) bool { return f.Queue == q })
	if i < 0 {
		h.t.Fatalf("Queues = %+v, want %s among them", list, q)
	}
	return list[i]
}

var (
	highMain    = tasks.Queue{Priority: tasks.High, Pool: tasks.MainPool}
	defaultMain = tasks.Queue{Priority: tasks.Default, Pool: tasks.MainPool}
)

// Stored counts the messages of a stream.
func (h *harness) stored(name string) uint64 {
	h.t.Helper()
	stream, err := h.Client.JS().Stream(h.ctx, name)
	if err != nil {
		h.t.Fatal(err)
	}
	return stream.CachedInfo().State.Msgs
}

func TestProbeRunsFromEndToEndAndLeavesNothing(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	h.work(new(tasks.Registry), h.source(), func(o *tasks.WorkerOptions) { o.Name = "w1" })
	f := h.checkup(streams.CheckupOptions{}).Probe(h.ctx, highMain)
	if f.End != streams.ProbeRan || f.Worker != "w1" || f.Took <= 0 {
		t.Errorf("Probe = %+v, want that w1 ran it", f)
	}
	h.until("nothing is left", func() bool { return h.stored("SPARKLE_TASKS")+h.stored("SPARKLE_EVENTS") == 0 })
}

// Each row breaks the way of a probe at another step.
func TestProbeTellsWhichStepIsMissing(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		fault func(*harness)
		want  streams.ProbeEnd
	}{
		"no worker": {func(*harness) {}, streams.ProbeNotTaken},
		"a worker that dies": {func(h *harness) {
			source := h.source()
			source.Fault(func(string) error { return errors.New("died") })
			h.work(new(tasks.Registry), source)
		}, streams.ProbeNoOutcome},
		"a worker of an older build": {func(h *harness) {
			var r tasks.Registry
			tasks.Handle(&r, tasks.Type[number, number]{Name: "count"}, echo)
			h.work(&r, parking{h.source()})
		}, streams.ProbeParked},
		"a worker whose own type fails": {func(h *harness) {
			var r tasks.Registry
			tasks.Handle(&r, tasks.Type[any, number]{Name: tasks.ProbeType}, func(context.Context, any) (number, error) {
				return number{}, tasks.Permanent(errors.New("no luck"))
			})
			h.work(&r, h.source())
		}, streams.ProbeFailed},
		"no room for the outcome": {func(h *harness) {
			fill(h, "SPARKLE_EVENTS")
			h.work(new(tasks.Registry), h.source())
		}, streams.ProbeNoOutcome},
		"no room": {func(h *harness) {
			editStream(h.t, h.Client, "SPARKLE_TASKS", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 10 })
		}, streams.ProbeRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, shortLease)
			row.fault(h)
			f := h.checkup(streams.CheckupOptions{Wait: 500 * time.Millisecond}).Probe(h.ctx, highMain)
			if f.End != row.want {
				t.Errorf("Probe = %+v, want that it was %s", f, row.want)
			}
			if n := h.stored("SPARKLE_TASKS"); n != 0 {
				t.Errorf("%d messages are left in TASKS, want none", n)
			}
		})
	}
}

// Parking gives a worker the types of another name, as an older build's.
type parking struct{ tasks.Source }

// Open renames what comes.
func (p parking) Open(ctx context.Context, q tasks.Queue, deliver func(*tasks.Delivery)) (tasks.Tap, error) {
	return p.Source.Open(ctx, q, func(d *tasks.Delivery) {
		d.Type = "unknown_here"
		deliver(d)
	})
}

func TestProbeScheduleNeedsNoWorker(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	if _, err := h.checkup(streams.CheckupOptions{}).ProbeSchedule(h.ctx); err != nil {
		t.Errorf("ProbeSchedule: %v", err)
	}
	if n := h.stored("SPARKLE_TASKS"); n != 0 {
		t.Errorf("%d messages are left in TASKS, want none", n)
	}
}

func TestCheckupNeedsNoTopology(t *testing.T) {
	t.Parallel()
	k := streams.NewCheckup(emptyServer(t), streams.CheckupOptions{})
	_, clock := k.Clock(t.Context())
	_, queues := k.Queues(t.Context(), nil, 0)
	_, mover := k.Mover(t.Context())
	_, found := k.Tasks(t.Context())
	for name, err := range map[string]error{"Clock": clock, "Queues": queues, "Mover": mover, "Tasks": found} {
		if !errors.Is(err, streams.ErrNoTopology) {
			t.Errorf("%s = %v, want ErrNoTopology", name, err)
		}
	}
	if list, err := k.Streams(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("Streams = %v, %v, want none", list, err)
	}
	if f, err := k.Server(); err != nil || f.Version == "" {
		t.Errorf("Server = %+v, %v, want its version", f, err)
	}
}

func TestQueueFactsTellFullFromPausedFromIdle(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	if f := h.queueFacts(defaultMain); f.Full() || f.Stalled() || f.Waiting != 0 {
		t.Errorf("idle queue: %+v, want nothing to say", f)
	}
	h.publish(tasks.Task{Type: "count", ID: "held", Payload: []byte(`{"n":1}`)})
	h.hold(1)
	h.publish(tasks.Task{Type: "count", ID: "waits", Payload: []byte(`{"n":1}`)})
	consumer, err := h.Client.JS().Consumer(h.ctx, "SPARKLE_TASKS", "default-main")
	if err != nil {
		t.Fatal(err)
	}
	config := consumer.CachedInfo().Config
	config.MaxAckPending = 1
	if _, err := h.Client.JS().UpdateConsumer(h.ctx, "SPARKLE_TASKS", config); err != nil {
		t.Fatal(err)
	}
	if f := h.queueFacts(defaultMain); !f.Full() || f.Stalled() || f.Waiting != 1 || f.Leased != 1 {
		t.Errorf("queue with all leases out: %+v, want it full", f)
	}
	if _, err := h.Client.JS().PauseConsumer(h.ctx, "SPARKLE_TASKS", "default-main", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if f := h.queueFacts(defaultMain); f.Paused < 50*time.Minute || f.Stalled() {
		t.Errorf("paused queue: %+v, want it paused and not stalled", f)
	}
}

// A stalled consumer is the server's own fault, so its facts are made up here.
func TestStalledIsWhatCouldMoveAndDoesNot(t *testing.T) {
	stalled := streams.QueueFacts{Waiting: 1, Pulls: 1, Room: 10}
	for name, row := range map[string]struct {
		change func(*streams.QueueFacts)
		want   bool
	}{
		"pulled and not delivered": {func(*streams.QueueFacts) {}, true},
		"moving":                   {func(f *streams.QueueFacts) { f.Moved = true }, false},
		"not pulled":               {func(f *streams.QueueFacts) { f.Pulls = 0 }, false},
		"empty":                    {func(f *streams.QueueFacts) { f.Waiting = 0 }, false},
		"paused":                   {func(f *streams.QueueFacts) { f.Paused = time.Minute }, false},
		"full":                     {func(f *streams.QueueFacts) { f.Leased = 10 }, false},
	} {
		f := stalled
		row.change(&f)
		if got := f.Stalled(); got != row.want {
			t.Errorf("%s: Stalled(%+v) = %v, want %v", name, f, got, row.want)
		}
	}
}

func found(list []streams.Found) []string {
	ids := []string{}
	for _, f := range list {
		ids = append(ids, f.ID)
	}
	return ids
}

// Extend keeps a lease until the returned function is called.
func (h *harness) extend(d *tasks.Delivery) (stop func()) {
	ctx, cancel := context.WithCancel(h.ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(h.topology.AckWait / 6)
		defer ticker.Stop()
		for ctx.Err() == nil {
			_ = d.Lease.Extend(ctx) // the next tick tries again
			select {
			case <-ctx.Done():
			case <-ticker.C:
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	h.t.Cleanup(stop)
	return stop
}

func TestTasksThatNobodyHoldsAreFound(t *testing.T) {
	t.Parallel()
	h := newHarness(t, givesUp)
	k := h.checkup(streams.CheckupOptions{})
	// The older one stays leased, so the sweep cannot tell that the other is
	// held by nobody.
	h.publish(tasks.Task{Type: "count", ID: "older", Payload: []byte(`{"n":1}`)})
	older := h.hold(1)[0]
	release := h.extend(older)
	h.giveUp("gone")
	// The server gives a task up only while a pull is open.
	tap, err := h.source().Open(h.ctx, defaultMain, func(d *tasks.Delivery) { t.Errorf("delivered: %+v", d) })
	if err != nil {
		t.Fatal(err)
	}
	tap.Want(1)
	var facts streams.TaskFacts
	h.until("it is a suspect", func() bool {
		var err error
		if facts, err = k.Tasks(h.ctx); err != nil {
			t.Fatal(err)
		}
		return slices.Contains(found(facts.Suspects), "gone")
	})
	if facts.SuspectsCount != 1 || facts.OrphansCount != 0 {
		t.Errorf("Tasks = %+v, want one suspect and no orphan", facts)
	}
	release()
	if err := older.Lease.Settle(h.ctx, tasks.Outcome{State: tasks.Succeeded}); err != nil {
		t.Fatal(err)
	}
	h.until("it is an orphan", func() bool {
		var err error
		if facts, err = k.Tasks(h.ctx); err != nil {
			t.Fatal(err)
		}
		return facts.OrphansCount > 0
	})
	if diff := cmp.Diff([]string{"gone"}, found(facts.Orphans)); diff != "" || facts.SuspectsCount != 0 {
		t.Errorf("Tasks = %+v, want gone as an orphan (-want +got):\n%s", facts, diff)
	}
	if err := tap.Drain(h.ctx); err != nil {
		t.Fatal(err)
	}
	if err := streams.NewMover(h.Client, streams.MoverOptions{}).Sweep(h.ctx); err != nil {
		t.Fatal(err)
	}
	if facts, err := k.Tasks(h.ctx); err != nil || facts.OrphansCount != 0 || len(h.deadLetters("gone")) != 1 {
		t.Errorf("Tasks after a sweep = %+v, %v, want the orphan buried", facts, err)
	}
}

func TestTasksThatNobodyWillRunAreFound(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	if _, err := h.Client.JS().Publish(h.ctx, "sparkle.tasks.later.high.main.count.lost", []byte(`{"n":1}`)); err != nil {
		t.Fatal(err)
	}
	h.publish(tasks.Task{Type: "count", Pool: "gpu", Payload: []byte(`{"n":1}`)})
	h.publish(tasks.Task{Type: "count", At: time.Now().Add(time.Hour), Payload: []byte(`{"n":1}`)})
	strange := h.publish(tasks.Task{Type: "strange", Payload: []byte(`{"n":1}`)})
	var runs atomic.Int64
	h.work(counting(&runs), h.source())
	h.until("the strange one is parked", func() bool {
		info, err := h.Client.Task(h.ctx, strange.ID)
		return err == nil && info.State == tasks.Parked
	})
	facts, err := h.checkup(streams.CheckupOptions{}).Tasks(h.ctx)
	want := streams.TaskFacts{Read: 4, UnscheduledCount: 1, Unserved: map[string]int{"gpu": 1}, Parked: map[string]int{"strange": 1}}
	ids := found(facts.Unscheduled)
	facts.Unscheduled = nil
	if diff := cmp.Diff(want, facts); err != nil || diff != "" || !slices.Equal(ids, []string{"lost"}) {
		t.Errorf("Tasks: %v, unscheduled %q (-want +got):\n%s", err, ids, diff)
	}
	if facts, err := h.checkup(streams.CheckupOptions{Sample: 1}).Tasks(h.ctx); err != nil || !facts.Cut || facts.Read != 2 {
		t.Errorf("Tasks with a sample of 1 = %+v, %v, want it to say that it was cut", facts, err)
	}
}

func TestStreamFactsTellHowFullAStreamIs(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	editStream(t, h.Client, "SPARKLE_EVENTS", func(c *jetstream.StreamConfig) { c.MaxMsgs, c.Discard = 2, jetstream.DiscardNew })
	for range 2 {
		m := nats.NewMsg("sparkle.events.count.a")
		if _, err := h.Client.JS().PublishMsg(h.ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	list, err := h.checkup(streams.CheckupOptions{}).Streams(h.ctx)
	if err != nil || len(list) != 7 {
		t.Fatalf("Streams = %+v, %v, want 7", list, err)
	}
	for _, f := range list {
		if want := f.Name == "SPARKLE_EVENTS"; (f.Full() == 1 && f.Refuses) != want {
			t.Errorf("%+v: full %v, want %v", f, f.Full(), want)
		}
	}
}
