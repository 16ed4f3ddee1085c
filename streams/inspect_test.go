package streams_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sparkle/streams"
	"sparkle/tasks"
)

func TestTaskTellsEachStateOfARun(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	state := func() (info streams.TaskInfo) {
		t.Helper()
		info, err := h.Client.Task(h.ctx, "seen")
		if err != nil {
			t.Fatalf("Task: %v", err)
		}
		return info
	}
	if _, err := h.Client.Task(h.ctx, "seen"); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("Task of an id that never was = %v, want ErrNotFound", err)
	}
	receipt := h.publish(tasks.Task{Type: "seen", ID: "seen", User: "ann", Payload: []byte(`{"n":1}`)})
	if info := state(); info.State != tasks.Waiting || info.Run != receipt.Run || info.User != "ann" || len(info.Attempts) != 0 {
		t.Errorf("published: %+v, want waiting", info)
	}
	goOn := make(chan error)
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[number, number]{Name: "seen", Retry: tasks.Retry{Base: 300 * time.Millisecond}}, func(ctx context.Context, in number) (number, error) {
		tasks.Progress(ctx, 0.4, "page 40/100")
		return in, <-goOn
	})
	h.work(&r, h.source(), func(o *tasks.WorkerOptions) { o.Name = "w1" })
	h.until("its progress shows", func() bool { return state().Progress != nil })
	want := &streams.Progress{Fraction: 0.4, Note: "page 40/100"}
	if info := state(); info.State != tasks.Running || !cmp.Equal(info.Progress, want) || info.Attempts[0].Worker != "w1" || info.Attempts[0].Started == nil {
		t.Errorf("started: %+v, want running with its progress on w1", info)
	}
	goOn <- errors.New("no luck at first")
	h.until("it retries or runs again", func() bool { return len(state().Attempts) > 0 && state().Attempts[0].Outcome == tasks.Retrying })
	goOn <- nil
	h.ended(receipt.ID, receipt.Run)
	info := state()
	if info.State != tasks.Succeeded || string(info.Result) != `{"n":1}` || len(info.Attempts) != 2 ||
		info.Attempts[0].Error != "no luck at first" || info.Attempts[1].Ended == nil {
		t.Errorf("ended: %+v, want succeeded at the second attempt with both told", info)
	}
}

func TestTasksListsByFilter(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	h.publish(tasks.Task{Type: "other", ID: "waits", User: "bob", Priority: tasks.High})
	h.publish(tasks.Task{Type: "other", ID: "later", At: time.Now().Add(time.Hour)})
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[number, number]{Name: "count", Pool: "own", Retry: tasks.Retry{Attempts: 1}}, func(_ context.Context, in number) (number, error) {
		if in.N == 0 {
			return in, errors.New("no luck")
		}
		return in, nil
	})
	h.work(&r, h.source(), func(o *tasks.WorkerOptions) { o.Pools = []string{"own"} })
	for id, payload := range map[string]string{"good": `{"n":1}`, "bad": `{"n":0}`} {
		receipt := h.publish(tasks.Task{Type: "count", ID: id, Pool: "own", User: "ann", Payload: []byte(payload)})
		h.ended(receipt.ID, receipt.Run)
	}
	for _, c := range []struct {
		name   string
		filter streams.ListFilter
		want   []string
	}{
		{"all", streams.ListFilter{}, []string{"waits", "later", "good", "bad"}},
		{"waiting", streams.ListFilter{State: tasks.Waiting}, []string{"waits"}},
		{"scheduled", streams.ListFilter{State: tasks.Scheduled}, []string{"later"}},
		{"dead", streams.ListFilter{State: tasks.Dead}, []string{"bad"}},
		{"of a type", streams.ListFilter{Type: "count"}, []string{"good", "bad"}},
		{"of a user", streams.ListFilter{User: "bob"}, []string{"waits"}},
		{"of a priority", streams.ListFilter{Priority: tasks.High}, []string{"waits"}},
		{"at most one", streams.ListFilter{Limit: 1}, []string{"waits"}},
		{"of the future", streams.ListFilter{Since: time.Now().Add(time.Minute)}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := h.Client.Tasks(h.ctx, c.filter)
			if err != nil {
				t.Fatalf("Tasks(%+v): %v", c.filter, err)
			}
			got := map[string]bool{}
			for _, task := range list {
				got[task.ID] = true
			}
			want := map[string]bool{}
			for _, id := range c.want {
				want[id] = true
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Tasks(%+v) (-want +got):\n%s", c.filter, diff)
			}
		})
	}
}

func TestQueuesCountWhatStandsWhere(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	for range 3 {
		h.publish(tasks.Task{Type: "count", Payload: []byte(`{"n":1}`)})
	}
	h.publish(tasks.Task{Type: "count", At: time.Now().Add(time.Hour)})
	h.publish(tasks.Task{Type: "count", Priority: tasks.High, Payload: []byte(`no json`[:0])})
	h.hold(1)
	queues, err := h.Client.Queues(h.ctx)
	if err != nil || len(queues) != 3 {
		t.Fatalf("Queues = %+v, %v, want three", queues, err)
	}
	high, middle, low := queues[0], queues[1], queues[2]
	if high.Priority != tasks.High || high.Waiting != 1 || low.Priority != tasks.Low || low.Waiting != 0 {
		t.Errorf("Queues = %+v, want high with one first and low with none last", queues)
	}
	if middle.Waiting != 2 || middle.Running != 1 || middle.Scheduled != 1 || middle.OldestSeconds <= 0 {
		t.Errorf("default queue %+v, want 2 waiting, 1 running, 1 scheduled and an age", middle)
	}
	line, err := json.Marshal(middle)
	for _, key := range []string{"priority", "pool", "waiting", "scheduled", "running", "oldest_seconds", "dead", "paused"} {
		if !strings.Contains(string(line), `"`+key+`":`) {
			t.Errorf("JSON %s (%v) has no %s", line, err, key)
		}
	}
}

func TestQueuesWithoutTopologySayWhatToDo(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	other, err := streams.NewClient(h.Conn, "other")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Queues(h.ctx); !errors.Is(err, streams.ErrNoTopology) {
		t.Errorf("Queues of an empty namespace = %v, want ErrNoTopology", err)
	}
}

func TestNamespacesDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	other, err := streams.NewClient(h.Conn, "other")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Ensure(h.ctx, shortLease); err != nil {
		t.Fatal(err)
	}
	h.publish(tasks.Task{Type: "count", ID: "mine"})
	if _, err := other.Task(h.ctx, "mine"); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("Task in the other namespace = %v, want ErrNotFound", err)
	}
	for _, bad := range []streams.Namespace{"Big", "a.b", "a-b", streams.Namespace(strings.Repeat("a", 33))} {
		if _, err := streams.NewClient(h.Conn, bad); err == nil {
			t.Errorf("NewClient(%q) = nil, want an error", bad)
		}
	}
}
