package tasks_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"sparkle/tasks"
)

func TestProgressIsThrottled(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]time.Duration{"the default ack wait": ackWait, "a long ack wait": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				memory := tasks.NewMemory(tasks.MemoryOptions{AckWait: wait})
				source := &spy{Source: memory}
				r := &rig{T: t, memory: memory}
				r.start(tasks.WorkerOptions{Source: source, AckWait: wait, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
					for i := range 1000 {
						tasks.Progress(ctx, float64(i+1)/1000, "step")
						if err := pause(ctx, 10*time.Millisecond); err != nil {
							return err
						}
					}
					return pause(ctx, time.Second)
				})})
				begun := time.Now()
				r.publish(tasks.Task{})
				passes(12 * time.Second)
				_, reports, _ := source.seen()
				if n := len(reports); n < 20 || n > 22 {
					t.Errorf("%d reports of 1000 calls in 10s, want two a second", n)
				}
				last := reports[len(reports)-1]
				if want := (tasks.Report{Worker: "w1", Started: begun, Fraction: 1, Note: "step"}); last != want {
					t.Errorf("last report = %+v, want %+v", last, want)
				}
			})
		})
	}
}

// A report costs a write, so a run of a moment is told by its outcome alone,
// wherever it falls between two looks of the keeper.
func TestAShortRunIsToldByItsOutcomeAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &spy{Source: tasks.NewMemory(tasks.MemoryOptions{})}
		r := &rig{T: t, memory: source.Source.(*tasks.Memory)}
		r.start(tasks.WorkerOptions{Source: source, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			return pause(ctx, 240*time.Millisecond)
		})})
		for range 20 {
			r.publish(tasks.Task{})
			passes(90 * time.Millisecond)
		}
		passes(time.Second)
		if _, reports, settled := source.seen(); len(reports) != 0 || len(settled) != 20 {
			t.Errorf("%d reports of %d settled runs of 240ms, want none of 20", len(reports), len(settled))
		}
	})
}

func TestASilentTaskIsReportedEachAckWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := tasks.NewMemory(tasks.MemoryOptions{})
		source := &spy{Source: memory}
		r := &rig{T: t, memory: memory}
		r.start(tasks.WorkerOptions{Source: source, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			return pause(ctx, 5*ackWait)
		})})
		id := r.publish(tasks.Task{})
		passes(5*ackWait + time.Second)
		_, reports, _ := source.seen()
		if len(reports) != 5 {
			t.Errorf("%d reports in five ack waits, want 5", len(reports))
		}
		for i, report := range reports {
			if report.First != (i == 0) {
				t.Errorf("report %d has First %v, want it of the first alone", i, report.First)
			}
		}
		if events := r.memory.Events(id); len(events) != 2 || events[0].State != tasks.Running || events[0].Report.Worker != "w1" {
			t.Errorf("events = %+v, want running, succeeded", events)
		}
	})
}

func TestNoReportComesAfterTheOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := tasks.NewMemory(tasks.MemoryOptions{})
		source := &spy{Source: memory, hesitate: 10}
		r := &rig{T: t, memory: memory}
		r.start(tasks.WorkerOptions{Source: source, Concurrency: 200, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			if err := pause(ctx, 300*time.Millisecond); err != nil {
				return err
			}
			tasks.Progress(ctx, 0.5, "due 500ms after the report at 250ms")
			return pause(ctx, 450*time.Millisecond)
		})})
		for range 5 {
			for range 200 {
				r.publish(tasks.Task{})
			}
			passes(750 * time.Millisecond)
		}
		r.stop()
		if _, reports, _ := source.seen(); len(reports) == 0 || source.late > 0 {
			t.Errorf("%d of %d reports came after the outcome, want none", source.late, len(reports))
		}
	})
}

func TestProgressIsPutInBounds(t *testing.T) {
	t.Parallel()
	tasks.Progress(t.Context(), 0.5, "outside of a handler") // does nothing
	for name, row := range map[string]struct {
		fraction float64
		note     string
		want     tasks.Report
	}{
		"above":           {7, "", tasks.Report{Fraction: 1}},
		"below":           {-7, "", tasks.Report{Fraction: 0}},
		"no number":       {math.NaN(), "", tasks.Report{Fraction: 0}},
		"infinite":        {math.Inf(1), "", tasks.Report{Fraction: 1}},
		"a long note":     {0, strings.Repeat("€", 100), tasks.Report{Note: strings.Repeat("€", 85)}},
		"no text":         {0, "a\xff\xfeb", tasks.Report{Note: "a\uFFFDb"}},
		"text that grows": {0, strings.Repeat("\xffa", 128), tasks.Report{Note: strings.Repeat("\uFFFDa", 64)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				memory := tasks.NewMemory(tasks.MemoryOptions{})
				source := &spy{Source: memory}
				r := &rig{T: t, memory: memory}
				r.start(tasks.WorkerOptions{Source: source, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
					tasks.Progress(ctx, row.fraction, row.note)
					return pause(ctx, time.Second)
				})})
				row.want.Worker, row.want.Started, row.want.First = "w1", time.Now(), true
				r.publish(tasks.Task{})
				passes(2 * time.Second)
				_, reports, _ := source.seen()
				if len(reports) == 0 || len(reports[0].Note) > 256 {
					t.Fatalf("reports = %+v, want one of at most 256 bytes", reports)
				}
				if diff := cmp.Diff(row.want, reports[0]); diff != "" {
					t.Errorf("report (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Answers of a handler, by the id of its task.
var answers = map[string]error{
	"done": nil, "retried": errBoom, "buried": tasks.Permanent(errBoom), "snoozed": tasks.Snooze(time.Hour),
}

func answering() *tasks.Registry {
	kind := tasks.Type[note, note]{Retry: tasks.Retry{Base: time.Hour, Cap: 2 * time.Hour}}
	return handling(kind, func(ctx context.Context) error {
		if err := pause(ctx, 250*time.Millisecond); err != nil {
			return err
		}
		return answers[tasks.Current(ctx).ID]
	})
}

func TestOneLogLineForEachSettledAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, tasks.WorkerOptions{Registry: answering()})
		for id := range answers {
			r.publish(tasks.Task{ID: id})
		}
		r.publish(tasks.Task{ID: "parked", Type: "other"})
		r.publish(tasks.Task{ID: "expired", Expires: time.Now().Add(-time.Second)})
		passes(time.Second)
		fixed := "attempt level message priority task type"
		for message, keys := range map[string]string{
			"done":    fixed + " took",
			"retried": fixed + " err took",
			"buried":  fixed + " err reason took",
			"snoozed": fixed + " took",
			"parked":  fixed + " reason",
			"expired": fixed,
		} {
			line := r.logged.find(message)
			got := slices.Sorted(maps.Keys(line))
			want := slices.Sorted(slices.Values(strings.Fields(keys)))
			if !slices.Equal(got, want) || line["task"] != message || line["priority"] != "default" || line["attempt"] != 1.0 {
				t.Errorf("line %s = %v with keys %v, want task %s with keys %v", message, line, got, message, want)
			}
			if took, ok := line["took"]; ok && took != 250.0 {
				t.Errorf("line %s took %v, want 250 (ms)", message, took)
			}
			if err, ok := line["err"]; ok && err != "boom" {
				t.Errorf("line %s has err %v, want boom", message, err)
			}
		}
		if text := r.logged.String(); strings.Contains(text, "secret") || strings.Count(text, "\n") != 6 {
			t.Errorf("logged %s, want six lines without the payload", text)
		}
		r.stop()
	})
}

func TestMetricsCountByTypePriorityAndOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		metrics := prometheus.NewRegistry()
		r := &rig{T: t, memory: tasks.NewMemory(tasks.MemoryOptions{})}
		r.publish(tasks.Task{ID: "suspect"})
		r.abandon(tasks.Default, 1)
		r.start(tasks.WorkerOptions{Registry: answering(), Metrics: metrics, MaxLost: 1})
		for id := range answers {
			r.publish(tasks.Task{ID: id, Priority: tasks.High})
		}
		for _, id := range []string{"a", "b"} {
			r.publish(tasks.Task{ID: id, Type: "invented-" + id})
		}
		passes(100 * time.Millisecond)
		wantMetrics(t, metrics, `
			# HELP sparkle_worker_leased Tasks leased and not settled.
			# TYPE sparkle_worker_leased gauge
			sparkle_worker_leased 4
			# HELP sparkle_worker_running Handlers that run.
			# TYPE sparkle_worker_running gauge
			sparkle_worker_running 4
			# HELP sparkle_worker_slots Handlers that may run at a time.
			# TYPE sparkle_worker_slots gauge
			sparkle_worker_slots 10
			`, "sparkle_worker_slots", "sparkle_worker_running", "sparkle_worker_leased")
		passes(time.Second)
		wantMetrics(t, metrics, `
			# HELP sparkle_task_failed_total Attempts that failed, by what followed: retrying or dead.
			# TYPE sparkle_task_failed_total counter
			sparkle_task_failed_total{outcome="dead",priority="default",type="work"} 1
			sparkle_task_failed_total{outcome="dead",priority="high",type="work"} 1
			sparkle_task_failed_total{outcome="retrying",priority="high",type="work"} 1
			# HELP sparkle_task_started_total Attempts started.
			# TYPE sparkle_task_started_total counter
			sparkle_task_started_total{priority="high",type="work"} 4
			# HELP sparkle_task_stuck_total Handlers that ignored their cancelled context and were replaced.
			# TYPE sparkle_task_stuck_total counter
			sparkle_task_stuck_total 0
			`, "sparkle_task_failed_total", "sparkle_task_started_total", "sparkle_task_stuck_total", "sparkle_task_lease_lost_total")
		for outcome, sum := range map[string]float64{"succeeded": 0.25, "retrying": 0.25, "dead": 0.25, "scheduled": 0.25} {
			labels := map[string]string{"type": "work", "priority": "high", "outcome": outcome}
			if n, got := observed(t, metrics, "sparkle_task_duration_seconds", labels); n != 1 || got != sum {
				t.Errorf("duration of %s = %d observations, %v s; want 1, %v", outcome, n, got, sum)
			}
		}
		if n, got := observed(t, metrics, "sparkle_task_wait_seconds", map[string]string{"type": "work", "priority": "high"}); n != 4 || got != 0 {
			t.Errorf("wait = %d observations, %v s; want 4, 0", n, got)
		}
		r.stop()
	})
}

func wantMetrics(t *testing.T, from prometheus.Gatherer, want string, names ...string) {
	t.Helper()
	if err := testutil.GatherAndCompare(from, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

// Observed returns the count and the sum of a histogram.
func observed(t *testing.T, from prometheus.Gatherer, name string, labels map[string]string) (uint64, float64) {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatalf("Gather: %v", err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			found := map[string]string{}
			for _, l := range m.GetLabel() {
				found[l.GetName()] = l.GetValue()
			}
			if family.GetName() == name && maps.Equal(found, labels) {
				return m.GetHistogram().GetSampleCount(), m.GetHistogram().GetSampleSum()
			}
		}
	}
	return 0, 0
}

func TestMetricsCountLostLeasesAndStuckHandlers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		metrics := prometheus.NewRegistry()
		memory := tasks.NewMemory(tasks.MemoryOptions{})
		source := &spy{Source: memory, extend: func(ctx context.Context, d *tasks.Delivery, extend func(context.Context) error) error {
			if d.Lost == 0 {
				return errBoom
			}
			return extend(ctx)
		}}
		r := &rig{T: t, memory: memory}
		r.start(tasks.WorkerOptions{Source: source, Metrics: metrics, Registry: handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			if tasks.Current(ctx).Lost == 0 {
				ignoresItsContext(release)
			}
			return nil
		})})
		r.publish(tasks.Task{})
		passes(3 * ackWait)
		wantMetrics(t, metrics, `
			# HELP sparkle_task_lease_lost_total Attempts given up because their lease could not be extended.
			# TYPE sparkle_task_lease_lost_total counter
			sparkle_task_lease_lost_total{priority="default",type="work"} 1
			# HELP sparkle_task_stuck_total Handlers that ignored their cancelled context and were replaced.
			# TYPE sparkle_task_stuck_total counter
			sparkle_task_stuck_total 1
			`, "sparkle_task_stuck_total", "sparkle_task_lease_lost_total")
		close(release)
		synctest.Wait()
	})
}

func TestOutcomesOfAnswers(t *testing.T) {
	t.Parallel()
	policy := tasks.Retry{Attempts: 3, Base: time.Minute, Cap: 2 * time.Minute}
	for name, row := range map[string]struct {
		answer  func() error
		attempt int // MaxAttempts; the first is run
		want    tasks.Outcome
		after   time.Duration // to At, at most
	}{
		"nil":                  {func() error { return nil }, 0, tasks.Outcome{State: tasks.Succeeded, Result: json.RawMessage(`{"text":"secret"}`)}, 0},
		"an error":             {func() error { return errBoom }, 0, tasks.Outcome{State: tasks.Retrying, Error: "boom"}, 2 * time.Minute},
		"the last error":       {func() error { return errBoom }, 1, tasks.Outcome{State: tasks.Dead, Reason: tasks.ReasonAttempts, Error: "boom"}, 0},
		"permanent":            {func() error { return tasks.Permanent(errBoom) }, 0, tasks.Outcome{State: tasks.Dead, Reason: tasks.ReasonPermanent, Error: "boom"}, 0},
		"permanent, wrapped":   {func() error { return errors.Join(errBoom, tasks.Permanent(errBoom)) }, 0, tasks.Outcome{State: tasks.Dead, Reason: tasks.ReasonPermanent, Error: "boom\nboom"}, 0},
		"a child's payload":    {func() error { return tasks.Permanent(tasks.Task{}.Check()) }, 0, tasks.Outcome{State: tasks.Dead, Reason: tasks.ReasonPermanent, Error: `type: "" is not 1 to 128 letters, digits, _ or -`}, 0},
		"permanent over later": {func() error { return tasks.Permanent(tasks.RetryAfter(time.Second, errBoom)) }, 0, tasks.Outcome{State: tasks.Dead, Reason: tasks.ReasonPermanent, Error: "boom"}, 0},
		"later":                {func() error { return tasks.RetryAfter(time.Hour, errBoom) }, 0, tasks.Outcome{State: tasks.Retrying, Error: "boom"}, time.Hour},
		"later, the last":      {func() error { return tasks.RetryAfter(time.Hour, errBoom) }, 1, tasks.Outcome{State: tasks.Dead, Reason: tasks.ReasonAttempts, Error: "boom"}, 0},
		"at once":              {func() error { return tasks.RetryAfter(-time.Hour, errBoom) }, 2, tasks.Outcome{State: tasks.Retrying, Error: "boom"}, 0},
		"snoozed, the last":    {func() error { return tasks.Snooze(time.Hour) }, 1, tasks.Outcome{State: tasks.Scheduled}, time.Hour},
		"a long error":         {func() error { return errors.New(strings.Repeat("\xffx", 4096)) }, 1, tasks.Outcome{State: tasks.Dead, Reason: tasks.ReasonAttempts, Error: strings.Repeat("\uFFFDx", 1024)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				memory := tasks.NewMemory(tasks.MemoryOptions{})
				var got []tasks.Outcome
				source := &spy{Source: memory, settle: func(_ context.Context, o tasks.Outcome, _ func(context.Context, tasks.Outcome) error) error {
					got = append(got, o)
					return errBoom // one outcome is enough
				}}
				r := &rig{T: t, memory: memory}
				r.start(tasks.WorkerOptions{Source: source, Registry: handling(tasks.Type[note, note]{Retry: policy}, func(context.Context) error { return row.answer() })})
				now := time.Now()
				r.publish(tasks.Task{MaxAttempts: row.attempt})
				synctest.Wait()
				if len(got) != 1 {
					t.Fatalf("outcomes = %+v, want one", got)
				}
				if wait := got[0].At.Sub(now); !got[0].At.IsZero() && (wait < 0 || wait > row.after || row.after == time.Hour && wait != row.after) {
					t.Errorf("due in %v, want %v", wait, row.after)
				}
				got[0].At = time.Time{}
				row.want.Worker, row.want.Started, row.want.Ended = "w1", now, now
				if diff := cmp.Diff(row.want, got[0]); diff != "" {
					t.Errorf("outcome (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A server that stores nothing stops the worker before its results fill the
// memory.
func TestResultsThatWaitToBeStoredAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const tasksInAll = 8
		result := make(json.RawMessage, 20<<20)
		var started atomic.Int64
		registry := new(tasks.Registry)
		tasks.Handle(registry, tasks.Type[note, string]{Name: "large"}, func(context.Context, note) (string, error) { return "", nil })
		registry.Use(func(tasks.Handler) tasks.Handler { // without the time that 20 MiB of JSON take
			return func(context.Context, *tasks.Delivery) (json.RawMessage, error) {
				started.Add(1)
				return result, nil
			}
		})
		stored := make(chan struct{})
		memory := tasks.NewMemory(tasks.MemoryOptions{})
		source := &spy{Source: memory}
		source.settle = func(ctx context.Context, o tasks.Outcome, settle func(context.Context, tasks.Outcome) error) error {
			<-stored
			return settle(ctx, o)
		}
		r := &rig{T: t, memory: memory}
		r.start(tasks.WorkerOptions{Source: source, Registry: registry, Concurrency: 1})
		for range tasksInAll {
			r.publish(tasks.Task{Type: "large"})
		}
		synctest.Wait()
		if n := started.Load(); n != 4 {
			t.Errorf("%d attempts started while nothing is stored, want 4: 64 MiB of results and one more", n)
		}
		close(stored)
		passes(time.Second)
		if n := started.Load(); n != tasksInAll {
			t.Errorf("%d attempts started once results are stored, want %d", n, tasksInAll)
		}
		r.stop()
	})
}

func TestAResultTooLargeIsBuried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := new(tasks.Registry)
		tasks.Handle(registry, tasks.Type[note, string]{Name: "large"}, func(context.Context, note) (string, error) {
			return "", nil
		})
		registry.Use(func(next tasks.Handler) tasks.Handler { // without the time that 32 MiB of JSON take
			return func(ctx context.Context, d *tasks.Delivery) (json.RawMessage, error) {
				if d.Type == "large" {
					return make(json.RawMessage, tasks.MaxResult+1), nil
				}
				return next(ctx, d)
			}
		})
		tasks.Handle(registry, tasks.Type[note, chan int]{Name: "none"}, func(context.Context, note) (chan int, error) { return nil, nil })
		r := start(t, tasks.WorkerOptions{Registry: registry})
		large, none := r.publish(tasks.Task{Type: "large"}), r.publish(tasks.Task{Type: "none"})
		synctest.Wait()
		if o := r.last(large); o.Reason != tasks.ReasonPermanent || o.Error != "result: 33554433 bytes are more than 33554432" {
			t.Errorf("outcome of a large result = %+v, want buried as permanent", o)
		}
		if o := r.last(none); o.Reason != tasks.ReasonPermanent || !strings.HasPrefix(o.Error, "encode result: ") {
			t.Errorf("outcome of a result that is no JSON = %+v, want buried as permanent", o)
		}
	})
}
