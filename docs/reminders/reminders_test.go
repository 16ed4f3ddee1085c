package reminders_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sparkle/docs/reminders"
	"sparkle/streams"
	"sparkle/streams/streamstest"
	"sparkle/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, streamstest.KnownLeak()) }

// A fakeGateway gives its answers in turn, then sends; it remembers the keys.
type fakeGateway struct {
	mu      sync.Mutex
	answers []error
	keys    map[string]bool
}

func (g *fakeGateway) Send(_ context.Context, key, _, _ string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.answers) > 0 {
		next := g.answers[0]
		g.answers = g.answers[1:]
		return next
	}
	if g.keys == nil {
		g.keys = map[string]bool{}
	}
	g.keys[key] = true
	return nil
}

func (g *fakeGateway) sent() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.keys)
}

// Six hours of virtual time take a moment of the test's.
func TestSendTellsWhatFollowsFromTheGatewaysErrors(t *testing.T) {
	for name, row := range map[string]struct {
		answers []error
		state   tasks.State
		attempt int
		reason  tasks.Reason
	}{
		"sent at once":         {nil, tasks.Succeeded, 1, ""},
		"busy, then sent":      {[]error{&reminders.BusyError{Pause: time.Minute}}, tasks.Succeeded, 2, ""},
		"night spends nothing": {[]error{reminders.ErrNight, reminders.ErrNight}, tasks.Succeeded, 1, ""},
		"blocked":              {[]error{reminders.ErrBlocked}, tasks.Dead, 1, tasks.ReasonPermanent},
		"four failures":        {[]error{errDown, errDown, errDown, errDown}, tasks.Dead, 4, tasks.ReasonAttempts},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gateway := &fakeGateway{answers: row.answers}
				var registry tasks.Registry
				reminders.Register(&registry, gateway)
				memory := tasks.NewMemory(tasks.MemoryOptions{Registry: &registry})
				worker, err := tasks.NewWorker(tasks.WorkerOptions{
					Source: memory, Registry: &registry, Pools: []string{reminders.Send.Pool},
				})
				if err != nil {
					t.Fatal(err)
				}
				task, err := reminders.Send.New(reminders.Reminder{Course: "go", Text: "today", Learners: []string{"ann", "bob"}})
				if err != nil {
					t.Fatal(err)
				}
				id, _, err := memory.Publish(t.Context(), task)
				if err != nil {
					t.Fatal(err)
				}
				hours, stop := context.WithTimeout(t.Context(), 6*time.Hour)
				defer stop()
				if err := worker.Run(hours); err != nil {
					t.Fatal(err)
				}
				events := memory.Events(id)
				last := events[len(events)-1]
				if last.State != row.state || last.Attempt != row.attempt || last.Outcome.Reason != row.reason {
					t.Errorf("ended %s at attempt %d with reason %q, want %s at %d with %q",
						last.State, last.Attempt, last.Outcome.Reason, row.state, row.attempt, row.reason)
				}
			})
		})
	}
}

var errDown = errors.New("connection refused")

func TestReminderNeedsLearners(t *testing.T) {
	_, err := reminders.Send.New(reminders.Reminder{Course: "go", Text: "today"})
	var invalid *tasks.InvalidError
	if !errors.As(err, &invalid) || invalid.Field != "payload.learners" {
		t.Errorf("New without learners = %v, want an InvalidError of payload.learners", err)
	}
}

func TestRemindOverJetStream(t *testing.T) {
	server := streamstest.New(t, streamstest.Options{Topology: streams.Topology{Pools: []string{reminders.Send.Pool}}})
	gateway := &fakeGateway{}
	var registry tasks.Registry
	reminders.Register(&registry, gateway)
	server.Work(t, &registry)

	publisher := streams.NewPublisher(server.Client, streams.PublisherOptions{Registry: &registry})
	in := reminders.Reminder{Course: "go", Text: "today", Learners: []string{"ann", "bob"}}
	id, err := reminders.Remind(t.Context(), publisher, in)
	if err != nil {
		t.Fatal(err)
	}
	end, err := publisher.Await(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	sent, err := reminders.Send.Result(end.Result)
	if err != nil || sent.Count != 2 || gateway.sent() != 2 {
		t.Errorf("result %+v, %v and %d keys at the gateway, want 2 of each", sent, err, gateway.sent())
	}
}

func TestWorkServesItsPoolAndDrains(t *testing.T) {
	server := streamstest.New(t, streamstest.Options{})
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	worked := make(chan error, 1)
	go func() { worked <- reminders.Work(ctx, server.Conn, &fakeGateway{}) }()
	publisher := streams.NewPublisher(server.Client, streams.PublisherOptions{})
	id, err := reminders.Remind(ctx, publisher, reminders.Reminder{Course: "go", Text: "today", Learners: []string{"ann"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := publisher.Await(ctx, id, ""); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-worked; err != nil {
		t.Errorf("Work = %v, want nil", err)
	}
}
