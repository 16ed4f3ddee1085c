package sourcetest

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"sparkle/tasks"
)

var errBoom = errors.New("boom")

// Always fails every attempt with err.
func always(err error) *tasks.Registry {
	return handling(func(context.Context, input) (output, error) { return output{}, err })
}

// Once fails the first attempt with err; the calls after it succeed.
func once(err error) *tasks.Registry {
	var calls tally
	return handling(func(context.Context, input) (output, error) {
		if calls.add("") == 1 {
			return output{}, err
		}
		return output{}, nil
	})
}

func succeeds(f *fixture) {
	f.work(tasks.WorkerOptions{Registry: handling(func(_ context.Context, in input) (output, error) {
		return output{N: in.N + 1}, nil
	})})
	id, run := f.publish(tasks.Task{Payload: []byte(`{"n":41}`)})
	last := f.reaches(id, tasks.Succeeded)
	var got output
	if err := json.Unmarshal(last.Outcome.Result, &got); err != nil || got.N != 42 {
		f.Errorf("result = %s (%v), want n = 42", last.Outcome.Result, err)
	}
	if last.Run != run || last.Type != "work" || last.ID != id || last.Outcome.Worker != "sourcetest" {
		f.Errorf("last event = %+v, want run %s, type work, id %s, worker sourcetest", last, run, id)
	}
	f.wantHistory(id, "succeeded/1")
	f.noneBuried()
}

func arrivesAsPublished(f *fixture) {
	came := make(chan tasks.Delivery, 1)
	f.work(tasks.WorkerOptions{
		Pools: []string{"other"},
		Registry: handling(func(ctx context.Context, _ input) (output, error) {
			came <- *tasks.Current(ctx)
			return output{}, nil
		}),
	})
	want := tasks.Task{
		Type: "work", ID: "my-id", Payload: []byte(`{"n":7}`), Priority: tasks.High, Pool: "other",
		User: "ann", Expires: time.Now().Add(time.Hour).Round(time.Millisecond), Timeout: 20 * time.Second,
		MaxAttempts: 7, Headers: map[string]string{"Tenant": "blue", "traceparent": "00-ab-cd-01"},
	}
	before := time.Now()
	_, run := f.publish(want)
	f.reaches("my-id", tasks.Succeeded)
	got := <-came
	if got.Type != want.Type || got.ID != want.ID || string(got.Payload) != string(want.Payload) ||
		got.Priority != want.Priority || got.Pool != want.Pool || got.User != want.User ||
		!got.Expires.Equal(want.Expires) || got.Timeout != want.Timeout || got.MaxAttempts != want.MaxAttempts {
		f.Errorf("delivered %+v, want %+v", got.Task, want)
	}
	for name, value := range want.Headers {
		if got.Headers[name] != value {
			f.Errorf("header %s = %q, want %q", name, got.Headers[name], value)
		}
	}
	if got.Run != run || got.Attempt != 1 || got.Lost != 0 {
		f.Errorf("run %q, attempt %d, lost %d; want %q, 1, 0", got.Run, got.Attempt, got.Lost, run)
	}
	if got.Ready.Before(before.Add(-time.Second)) || got.Ready.After(time.Now().Add(time.Second)) {
		f.Errorf("ready at %v, want about %v", got.Ready, before)
	}
}

func countsFailures(f *fixture) {
	var calls tally
	f.work(tasks.WorkerOptions{Registry: handling(func(context.Context, input) (output, error) {
		if n := calls.add(""); n < 3 {
			return output{}, errors.New([]string{"first fault", "second fault"}[n-1])
		}
		return output{}, nil
	})})
	id, run := f.publish(tasks.Task{})
	f.reaches(id, tasks.Succeeded)
	f.wantHistory(id, "retrying/1 retrying/2 succeeded/3")
	var faults []string
	for _, e := range f.events(id) {
		if e.State == tasks.Retrying {
			faults = append(faults, e.Outcome.Error)
		}
		if e.Run != run {
			f.Errorf("event %+v has another run than %s", e, run)
		}
	}
	if got := strings.Join(faults, ", "); got != "first fault, second fault" {
		f.Errorf("errors = %q, want first and second fault", got)
	}
}

func buriesPermanent(f *fixture) {
	f.work(tasks.WorkerOptions{Registry: always(tasks.Permanent(errBoom))})
	id, run := f.publish(tasks.Task{})
	last := f.reaches(id, tasks.Dead)
	if last.Outcome.Reason != tasks.ReasonPermanent || last.Outcome.Error != "boom" {
		f.Errorf("outcome = %+v, want dead, permanent, boom", last.Outcome)
	}
	letter := f.buried(id)
	if letter.Reason != tasks.ReasonPermanent || letter.Error != "boom" || letter.Attempt != 1 || letter.Run != run ||
		letter.Type != "work" || string(letter.Payload) != `{"n":1}` {
		f.Errorf("dead letter = %+v, want work with its payload, run %s, attempt 1, permanent, boom", letter, run)
	}
	f.wantHistory(id, "dead/1")
}

func buriesPayload(f *fixture) {
	var calls tally
	f.work(tasks.WorkerOptions{Registry: handling(func(context.Context, input) (output, error) {
		calls.add("")
		return output{}, nil
	})})
	id, _ := f.publish(tasks.Task{Payload: []byte(`{"n":"secret"}`)})
	f.reaches(id, tasks.Dead)
	letter := f.buried(id)
	if letter.Reason != tasks.ReasonPayload || !strings.HasPrefix(letter.Error, "payload.n: ") || strings.Contains(letter.Error, "secret") {
		f.Errorf("reason %q, error %q; want payload, naming payload.n and no value", letter.Reason, letter.Error)
	}
	if calls.total() != 0 {
		f.Errorf("the handler ran %d times, want never", calls.total())
	}
}

func buriesExhausted(f *fixture) {
	f.work(tasks.WorkerOptions{Registry: always(errBoom)})
	byType, _ := f.publish(tasks.Task{})
	byTask, _ := f.publish(tasks.Task{MaxAttempts: 2})
	f.reaches(byType, tasks.Dead)
	f.reaches(byTask, tasks.Dead)
	f.wantHistory(byType, "retrying/1 retrying/2 dead/3")
	f.wantHistory(byTask, "retrying/1 dead/2")
	letter := f.buried(byType)
	if letter.Reason != tasks.ReasonAttempts || letter.Attempt != 3 || letter.Error != "boom" {
		f.Errorf("dead letter = %+v, want reason attempts, attempt 3, boom", letter)
	}
	if got := line(letter.History); got != "retrying/1 retrying/2 dead/3" {
		f.Errorf("history of the letter = %q, want the whole one", got)
	}
}

func recordsPanic(f *fixture) {
	var calls tally
	f.work(tasks.WorkerOptions{Registry: handling(func(context.Context, input) (output, error) {
		if calls.add("") == 1 {
			panicking()
		}
		return output{}, nil
	})})
	id, _ := f.publish(tasks.Task{})
	f.reaches(id, tasks.Succeeded)
	f.wantHistory(id, "retrying/1 succeeded/2")
	for _, e := range f.events(id) {
		if e.State == tasks.Retrying && (e.Outcome.Error != "panic: boom" || !strings.Contains(e.Outcome.Stack, "sourcetest.panicking")) {
			f.Errorf("error %q, stack %q; want panic: boom, in sourcetest.panicking", e.Outcome.Error, e.Outcome.Stack)
		}
	}
}

func panicking() { panic(errBoom) }

func retriesAfter(f *fixture) {
	var calls tally
	wait := f.AckWait / 4
	registry := new(tasks.Registry)
	slow := tasks.Type[input, output]{Name: "work", Retry: tasks.Retry{Base: 24 * time.Hour, Cap: 240 * time.Hour}}
	tasks.Handle(registry, slow, func(context.Context, input) (output, error) {
		if calls.add("") == 1 {
			return output{}, tasks.RetryAfter(wait, errBoom)
		}
		return output{}, nil
	})
	f.work(tasks.WorkerOptions{Registry: registry})
	id, _ := f.publish(tasks.Task{})
	last := f.reaches(id, tasks.Succeeded)
	f.wantHistory(id, "retrying/1 succeeded/2")
	for _, e := range f.events(id) {
		if e.State == tasks.Retrying && last.Outcome.Started.Sub(e.Outcome.Ended) < wait {
			f.Errorf("ran %v after its failure, want %v at least", last.Outcome.Started.Sub(e.Outcome.Ended), wait)
		}
	}
}

func snoozes(f *fixture) {
	f.work(tasks.WorkerOptions{Registry: once(tasks.Snooze(f.AckWait / 10))})
	id, _ := f.publish(tasks.Task{MaxAttempts: 1})
	f.reaches(id, tasks.Succeeded)
	f.wantHistory(id, "scheduled/1 succeeded/1")
	f.noneBuried()
}
