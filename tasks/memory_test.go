package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sparkle/tasks"
)

func TestMemoryGivesTasksTheDefaultsOfTheirType(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := handling(tasks.Type[note, note]{Priority: tasks.Low, Pool: "gpu"}, func(context.Context) error { return nil })
		m := tasks.NewMemory(tasks.MemoryOptions{Registry: registry})
		for _, task := range []tasks.Task{
			{Type: "work", Payload: []byte(`{"text":"a"}`)},
			{Type: "work", Payload: []byte(`{"text":"a"}`), Priority: tasks.High, Pool: "main"},
		} {
			if _, _, err := m.Publish(t.Context(), task); err != nil {
				t.Errorf("Publish(%+v) = %v, want nil", task, err)
			}
		}
		if d := lease(t, m, tasks.Queue{Priority: tasks.Low, Pool: "gpu"}, 1); len(d) != 1 {
			t.Errorf("%d tasks wait in low-gpu, want the one that names no queue", len(d))
		}
		if d := lease(t, m, tasks.Queue{Priority: tasks.High, Pool: "main"}, 1); len(d) != 1 {
			t.Errorf("%d tasks wait in high-main, want the one that names it", len(d))
		}
	})
}

// Lease takes up to n tasks of a queue.
func lease(t *testing.T, m *tasks.Memory, q tasks.Queue, n int) []*tasks.Delivery {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var came []*tasks.Delivery
	tap, err := m.Open(ctx, q, func(d *tasks.Delivery) { came = append(came, d) })
	if err != nil {
		t.Fatalf("Open(%v): %v", q, err)
	}
	tap.Want(n)
	synctest.Wait()
	cancel()
	synctest.Wait()
	return came
}

var queue = tasks.Queue{Priority: tasks.Default, Pool: tasks.MainPool}

func TestMemoryRefuses(t *testing.T) {
	t.Parallel()
	registry := handling(tasks.Type[note, note]{}, func(context.Context) error { return nil })
	m := tasks.NewMemory(tasks.MemoryOptions{Registry: registry, MaxTasks: 2})
	good := tasks.Task{Type: "work", ID: "a", Payload: []byte(`{"text":"a"}`)}
	if _, _, err := m.Publish(t.Context(), good); err != nil {
		t.Fatalf("Publish: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := m.Publish(ended, good); !errors.Is(err, context.Canceled) {
		t.Errorf("Publish with an ended context = %v, want Canceled", err)
	}
	if _, _, err := m.Publish(t.Context(), good); !errors.Is(err, tasks.ErrWaiting) {
		t.Errorf("Publish of an id that lives = %v, want ErrWaiting", err)
	}
	for want, bad := range map[string]tasks.Task{
		`type: unknown type "other"`:                        {Type: "other"},
		"payload.text: missing":                             {Type: "work", Payload: []byte(`{}`)},
		`id: "a b" is not 1 to 128 letters, digits, _ or -`: {Type: "work", ID: "a b"},
	} {
		_, _, err := m.Publish(t.Context(), bad)
		wantInvalid(t, fmt.Sprintf("Publish(%+v)", bad), err, want)
	}
	good.ID = ""
	if _, _, err := m.Publish(t.Context(), good); err != nil {
		t.Errorf("Publish of the second of two = %v, want nil", err)
	}
	if _, _, err := m.Publish(t.Context(), good); !errors.Is(err, tasks.ErrFull) {
		t.Errorf("Publish of a third of two = %v, want ErrFull", err)
	}
}

func TestMemoryKeepsWhatThePublisherChangesLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := tasks.NewMemory(tasks.MemoryOptions{})
		task := tasks.Task{Type: "work", Payload: []byte(`"before"`), Headers: map[string]string{"a": "before"}}
		if _, _, err := m.Publish(t.Context(), task); err != nil {
			t.Fatalf("Publish: %v", err)
		}
		copy(task.Payload, `"after!"`)
		task.Headers["a"] = "after"
		d := lease(t, m, queue, 1)[0]
		if string(d.Payload) != `"before"` || d.Headers["a"] != "before" {
			t.Errorf("delivered payload %s, header %s; want both as published", d.Payload, d.Headers["a"])
		}
	})
}

// Not parallel: the clocks of other tests' bubbles are others.
func TestMemoryMakesIDsThatSortByTime(t *testing.T) {
	m := tasks.NewMemory(tasks.MemoryOptions{})
	var ids []string
	for range 100 {
		id, run, err := m.Publish(t.Context(), tasks.Task{Type: "work"})
		if err != nil || !tasks.ValidName(id) || !tasks.ValidName(run) || id == run {
			t.Fatalf("Publish = %q, %q, %v, want two names", id, run, err)
		}
		ids = append(ids, id)
	}
	if !slices.IsSorted(ids) {
		t.Errorf("ids %q … are not sorted", ids[:5])
	}
}

func TestASettledOrLostLeaseIsRefused(t *testing.T) {
	t.Parallel()
	done := tasks.Outcome{State: tasks.Succeeded}
	for name, row := range map[string]struct {
		before func(*testing.T, *tasks.Delivery)
		state  tasks.State
	}{
		"settled": {func(t *testing.T, d *tasks.Delivery) {
			if err := d.Lease.Settle(t.Context(), done); err != nil {
				t.Errorf("Settle = %v, want nil", err)
			}
		}, tasks.Succeeded},
		"handed back": {func(t *testing.T, d *tasks.Delivery) {
			if err := d.Lease.Settle(t.Context(), tasks.Outcome{State: tasks.Returned}); err != nil {
				t.Errorf("Settle = %v, want nil", err)
			}
		}, tasks.Returned},
		"run out": {func(*testing.T, *tasks.Delivery) { passes(ackWait) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := tasks.NewMemory(tasks.MemoryOptions{})
				id, _, err := m.Publish(t.Context(), tasks.Task{Type: "work"})
				if err != nil {
					t.Fatalf("Publish: %v", err)
				}
				d := lease(t, m, queue, 1)[0]
				row.before(t, d)
				if err := d.Lease.Extend(t.Context()); !errors.Is(err, tasks.ErrLeaseLost) {
					t.Errorf("Extend = %v, want ErrLeaseLost", err)
				}
				if err := d.Lease.Settle(t.Context(), tasks.Outcome{State: tasks.Dead}); !errors.Is(err, tasks.ErrLeaseLost) {
					t.Errorf("Settle = %v, want ErrLeaseLost", err)
				}
				d.Lease.Report(tasks.Report{Worker: "late"})
				last := tasks.State("")
				if events := m.Events(id); len(events) > 0 {
					last = events[len(events)-1].State
				}
				if last != row.state || len(m.DeadLetters()) > 0 {
					t.Errorf("last event is %q with %d dead letters, want %q with none", last, len(m.DeadLetters()), row.state)
				}
			})
		})
	}
}

func TestALeaseKeepsItsTaskWhenItIsAskedWrongly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := tasks.NewMemory(tasks.MemoryOptions{AckWait: time.Minute})
		if _, _, err := m.Publish(t.Context(), tasks.Task{Type: "work", ID: "a"}); err != nil {
			t.Fatalf("Publish: %v", err)
		}
		d := lease(t, m, queue, 1)[0]
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := d.Lease.Extend(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("Extend with an ended context = %v, want Canceled", err)
		}
		if err := d.Lease.Settle(ended, tasks.Outcome{State: tasks.Succeeded}); !errors.Is(err, context.Canceled) {
			t.Errorf("Settle with an ended context = %v, want Canceled", err)
		}
		if err := d.Lease.Settle(t.Context(), tasks.Outcome{State: tasks.Running}); err == nil || err.Error() != `settle a: "running" is no outcome` {
			t.Errorf("Settle(running) = %v, want that it is no outcome", err)
		}
		passes(59 * time.Second)
		if err := d.Lease.Extend(t.Context()); err != nil {
			t.Errorf("Extend = %v, want nil: the lease is untouched", err)
		}
		passes(59 * time.Second)
		if err := d.Lease.Settle(t.Context(), tasks.Outcome{State: tasks.Succeeded}); err != nil {
			t.Errorf("Settle = %v, want nil: the lease was extended", err)
		}
	})
}

func TestHurryMakesADelayedTaskReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, tasks.WorkerOptions{Registry: answering()})
		r.publish(tasks.Task{ID: "done", At: time.Now().Add(time.Hour)})
		r.publish(tasks.Task{ID: "retried"})
		r.publish(tasks.Task{ID: "parked", Type: "other"})
		passes(time.Second)
		for _, id := range []string{"done", "retried", "parked"} {
			if !r.memory.Hurry(id) {
				t.Errorf("Hurry(%s) is false, want true", id)
			}
		}
		if r.memory.Hurry("done") || r.memory.Hurry("nobody") {
			t.Error("Hurry of a task that waits, or of none, is true")
		}
		passes(time.Second)
		r.wantHistory("done", "succeeded/1")
		r.wantHistory("retried", "retrying/1 retrying/2")
		r.wantHistory("parked", "parked/1 parked/1")
		passes(time.Hour) // the hurried delays do not fire again
		r.wantHistory("done", "succeeded/1")
		r.stop()
	})
}

func TestMemoryForgetsWithinItsBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := tasks.NewMemory(tasks.MemoryOptions{MaxEnded: 3, MaxDead: 2})
		settle := func(id string, o tasks.Outcome) {
			t.Helper()
			if _, _, err := m.Publish(t.Context(), tasks.Task{Type: "work", ID: id}); err != nil && !errors.Is(err, tasks.ErrWaiting) {
				t.Fatalf("Publish(%s): %v", id, err)
			}
			if err := lease(t, m, queue, 1)[0].Lease.Settle(t.Context(), o); err != nil {
				t.Fatalf("Settle(%s): %v", id, err)
			}
		}
		dead := tasks.Outcome{State: tasks.Dead, Reason: tasks.ReasonPermanent, Error: "boom"}
		for _, id := range []string{"a", "b", "c", "a", "d"} {
			settle(id, dead)
		}
		kept := map[string]int{}
		for _, id := range []string{"a", "b", "c", "d"} {
			kept[id] = len(m.Events(id))
		}
		if want := map[string]int{"a": 2, "b": 0, "c": 1, "d": 1}; !cmp.Equal(kept, want) {
			t.Errorf("events kept = %v, want %v: three ids, the last that ended", kept, want)
		}
		var letters []string
		for _, d := range m.DeadLetters() {
			letters = append(letters, fmt.Sprintf("%s %s %q %d", d.ID, d.Reason, d.Error, len(d.History)))
		}
		if want := []string{`a permanent "boom" 1`, `d permanent "boom" 1`}; !slices.Equal(letters, want) {
			t.Errorf("dead letters = %q, want %q", letters, want)
		}
		for range 300 {
			settle("long", tasks.Outcome{State: tasks.Retrying, Error: "boom"})
		}
		events := m.Events("long")
		if len(events) != 200 || events[199].Attempt != 300 {
			t.Errorf("%d events are kept, the last of attempt %d; want 200, of 300", len(events), events[len(events)-1].Attempt)
		}
	})
}

func TestTwoTapsShareAQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := tasks.NewMemory(tasks.MemoryOptions{})
		counts := [2]int{}
		for i := range 2 {
			tap, err := m.Open(t.Context(), queue, func(*tasks.Delivery) { counts[i]++ })
			if err != nil {
				t.Fatalf("Open: %v", err)
			}
			tap.Want(3)
		}
		for range 10 {
			if _, _, err := m.Publish(t.Context(), tasks.Task{Type: "work"}); err != nil {
				t.Fatalf("Publish: %v", err)
			}
		}
		synctest.Wait()
		if counts != [2]int{3, 3} {
			t.Errorf("the taps got %v tasks, want the 3 that each wanted", counts)
		}
	})
}

func TestDrainOfATapHeedsItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := tasks.NewMemory(tasks.MemoryOptions{})
		release := make(chan struct{})
		tap, err := m.Open(t.Context(), queue, func(*tasks.Delivery) { <-release })
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		tap.Want(1)
		if _, _, err := m.Publish(t.Context(), tasks.Task{Type: "work"}); err != nil {
			t.Fatalf("Publish: %v", err)
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := tap.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain while a task is being delivered = %v, want DeadlineExceeded", err)
		}
		close(release)
		if err := tap.Drain(t.Context()); err != nil {
			t.Errorf("Drain = %v, want nil", err)
		}
	})
}

// A model is what a Memory of one queue must hold.
type model struct {
	t       *testing.T
	memory  *tasks.Memory
	waiting []string // in order
	place   map[string]int
	leased  map[string]*modelLease
	delayed map[string]time.Time
	attempt map[string]int
	lost    map[string]int
	runs    int
	places  int
}

type modelLease struct {
	lease    tasks.Lease
	deadline time.Time
}

func TestMemoryBehavesAsItsModel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Wrapped, since rapid asks a *testing.T for its deadline, which a bubble
		// refuses.
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			m := &model{
				t: t, memory: tasks.NewMemory(tasks.MemoryOptions{}), place: map[string]int{}, leased: map[string]*modelLease{},
				delayed: map[string]time.Time{}, attempt: map[string]int{}, lost: map[string]int{},
			}
			rt.Repeat(map[string]func(*rapid.T){
				"publish": m.publish,
				"take":    m.take,
				"settle":  m.settle,
				"extend":  m.extend,
				"hurry":   m.hurry,
				"pass":    m.pass,
			})
		})
	})
}

func (m *model) publish(t *rapid.T) {
	id := fmt.Sprint("task-", m.runs)
	m.runs++
	at := time.Now().Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "delay")) * 5 * time.Second)
	if _, _, err := m.memory.Publish(m.t.Context(), tasks.Task{Type: "work", ID: id, At: at}); err != nil {
		t.Fatalf("Publish(%s): %v", id, err)
	}
	m.attempt[id] = 1
	m.delay(id, at)
}

func (m *model) delay(id string, at time.Time) {
	if at.After(time.Now()) {
		m.delayed[id] = at
		return
	}
	m.places++
	m.place[id] = m.places
	m.wait(id)
}

// Wait puts an id where its place is.
func (m *model) wait(id string) {
	m.waiting = append(m.waiting, id)
	slices.SortFunc(m.waiting, func(a, b string) int { return m.place[a] - m.place[b] })
}

func (m *model) take(t *rapid.T) {
	n := rapid.IntRange(0, 3).Draw(t, "want")
	came := lease(m.t, m.memory, queue, n)
	if want := min(n, len(m.waiting)); len(came) != want {
		t.Fatalf("%d tasks came of %d wanted, want %d", len(came), n, want)
	}
	for _, d := range came {
		if id := m.waiting[0]; d.ID != id || d.Attempt != m.attempt[id] || d.Lost != m.lost[id] {
			t.Fatalf("%s came as attempt %d with %d lost, want %s as %d with %d", d.ID, d.Attempt, d.Lost, id, m.attempt[id], m.lost[id])
		}
		m.waiting = m.waiting[1:]
		m.leased[d.ID] = &modelLease{d.Lease, time.Now().Add(ackWait)}
	}
}

// Chosen returns a key of a map that is not empty.
func chosen[V any](t *rapid.T, from map[string]V) string {
	ids := make([]string, 0, len(from))
	for id := range from {
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		t.Skip("nothing to choose from")
	}
	slices.Sort(ids)
	return rapid.SampledFrom(ids).Draw(t, "id")
}

func (m *model) settle(t *rapid.T) {
	id := chosen(t, m.leased)
	o := tasks.Outcome{
		State: rapid.SampledFrom([]tasks.State{
			tasks.Succeeded, tasks.Dead, tasks.Expired, tasks.Retrying, tasks.Scheduled, tasks.Parked, tasks.Returned,
		}).Draw(t, "state"),
		At: time.Now().Add(time.Duration(rapid.IntRange(-1, 2).Draw(t, "after")) * 5 * time.Second),
	}
	if err := m.leased[id].lease.Settle(m.t.Context(), o); err != nil {
		t.Fatalf("Settle(%s, %s) = %v, want nil", id, o.State, err)
	}
	delete(m.leased, id)
	switch {
	case o.State.Terminal():
	case o.State == tasks.Returned:
		m.wait(id)
	default:
		m.attempt[id], m.lost[id] = o.NextAttempt(m.attempt[id]), 0
		m.delay(id, o.At)
	}
}

func (m *model) extend(t *rapid.T) {
	id := chosen(t, m.leased)
	if err := m.leased[id].lease.Extend(m.t.Context()); err != nil {
		t.Fatalf("Extend(%s) = %v, want nil", id, err)
	}
	m.leased[id].deadline = time.Now().Add(ackWait)
}

func (m *model) hurry(t *rapid.T) {
	id := chosen(t, m.delayed)
	if !m.memory.Hurry(id) {
		t.Fatalf("Hurry(%s) is false, want true", id)
	}
	delete(m.delayed, id)
	m.delay(id, time.Now())
}

// Pass lets a second go by, so that no two timers are due between two looks but
// those of the same instant.
func (m *model) pass(t *rapid.T) {
	for range rapid.IntRange(1, 15).Draw(t, "seconds") {
		passes(time.Second)
		now := time.Now()
		for id, l := range m.leased {
			if !l.deadline.After(now) {
				delete(m.leased, id)
				m.lost[id]++
				m.wait(id)
			}
		}
		m.due(t, now)
	}
}

// Due takes over the order in which the Memory queued what was due at the same
// instant, which is not specified.
func (m *model) due(t *rapid.T, now time.Time) {
	var due []string
	for id, at := range m.delayed {
		if !at.After(now) {
			due = append(due, id)
		}
	}
	if len(due) == 0 {
		return
	}
	for _, d := range lease(m.t, m.memory, queue, len(m.waiting)+len(due)) {
		if i := slices.Index(due, d.ID); i >= 0 {
			due = slices.Delete(due, i, i+1)
			delete(m.delayed, d.ID)
			m.delay(d.ID, now)
		}
		if err := d.Lease.Settle(m.t.Context(), tasks.Outcome{State: tasks.Returned}); err != nil {
			t.Fatalf("Settle(%s, returned) = %v, want nil", d.ID, err)
		}
	}
	if len(due) > 0 {
		t.Fatalf("%v were due and did not come", due)
	}
}
