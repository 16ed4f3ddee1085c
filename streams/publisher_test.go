package streams_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sparkle/embedded"
	"sparkle/streams"
	"sparkle/tasks"
)

func TestPublishRefusesWhatCannotRun(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	var r tasks.Registry
	tasks.Declare(&r, tasks.Type[number, number]{Name: "count"})
	p := h.publisher(streams.PublisherOptions{Registry: &r})
	for _, c := range []struct {
		name  string
		task  tasks.Task
		field string
	}{
		{"unknown type", tasks.Task{Type: "cuont"}, "type"},
		{"type that is no name", tasks.Task{Type: "a.b"}, "type"},
		{"id that is no name", tasks.Task{Type: "count", ID: "a b"}, "id"},
		{"priority that is none", tasks.Task{Type: "count", Priority: "urgent"}, "priority"},
		{"pool that is no name", tasks.Task{Type: "count", Pool: ">"}, "pool"},
		{"no JSON", tasks.Task{Type: "count", Payload: []byte(`{"n":`)}, "payload"},
		{"missing field", tasks.Task{Type: "count", Payload: []byte(`{}`)}, "payload.n"},
		{"field of another type", tasks.Task{Type: "count", Payload: []byte(`{"n":"1"}`)}, "payload.n"},
		{"unknown field", tasks.Task{Type: "count", Payload: []byte(`{"n":1,"m":2}`)}, "payload.m"},
		{"no payload", tasks.Task{Type: "count"}, "payload"},
		{"reserved header", tasks.Task{Type: "count", Payload: []byte(`{"n":1}`), Headers: map[string]string{"nats-msg-id": "x"}}, "headers"},
		{"user with a line break", tasks.Task{Type: "count", User: "a\nb"}, "user"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := p.Publish(h.ctx, c.task)
			var invalid *tasks.InvalidError
			if !errors.As(err, &invalid) || invalid.Field != c.field {
				t.Errorf("Publish(%+v) = %v, want an InvalidError of field %s", c.task, err, c.field)
			}
		})
	}
	if queues, err := h.Client.Queues(h.ctx); err != nil || queues[1].Waiting != 0 {
		t.Errorf("Queues = %+v, %v, want nothing waiting", queues, err)
	}
}

func TestPublishTakesDefaultsFromTheType(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	var r tasks.Registry
	tasks.Declare(&r, tasks.Type[number, number]{Name: "count", Priority: tasks.Low, Pool: "gpu"})
	receipt, err := h.publisher(streams.PublisherOptions{Registry: &r}).Publish(h.ctx, tasks.Task{Type: "count", Payload: []byte(`{"n":1}`)})
	if err != nil || receipt.Priority != tasks.Low || receipt.Pool != "gpu" || receipt.ID == "" || receipt.Run != receipt.ID {
		t.Errorf("Publish = %+v, %v, want the type's priority and pool and a made id", receipt, err)
	}
}

func TestAnIDIsTakenUntilItsTaskHasEnded(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	task := tasks.Task{Type: "count", ID: "mine", Payload: []byte(`{"n":1}`)}
	first := h.publish(task)
	task.Priority = tasks.High // wherever it stands
	_, err := h.publisher(streams.PublisherOptions{}).Publish(h.ctx, task)
	var waiting *streams.WaitingError
	if !errors.Is(err, streams.ErrWaiting) || !errors.As(err, &waiting) || waiting.Run != first.Run {
		t.Fatalf("Publish of a waiting id = %v, want ErrWaiting with run %s", err, first.Run)
	}
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[number, number]{Name: "count"}, func(_ context.Context, in number) (number, error) { return in, nil })
	h.work(&r, h.source())
	h.ended(first.ID, first.Run)
	h.drained()
	if again := h.publish(task); again.Run == first.Run {
		t.Errorf("the second life has run %s like the first", again.Run)
	}
}

func TestTwoPublishersWithOneIDStoreItOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	const ids, publishers = 100, 3
	var stored, refused atomic.Int64
	var wg sync.WaitGroup
	for range publishers {
		p := h.publisher(streams.PublisherOptions{})
		wg.Go(func() {
			for i := range ids {
				_, err := p.Publish(h.ctx, tasks.Task{Type: "count", ID: fmt.Sprintf("id-%d", i), Payload: []byte(`{"n":1}`)})
				switch {
				case err == nil:
					stored.Add(1)
				case errors.Is(err, streams.ErrWaiting):
					refused.Add(1)
				default:
					t.Errorf("Publish: %v", err)
				}
			}
		})
	}
	wg.Wait()
	queues, err := h.Client.Queues(h.ctx)
	if err != nil || queues[1].Waiting != ids || stored.Load() != ids || refused.Load() != ids*(publishers-1) {
		t.Errorf("stored %d, refused %d, waiting %+v, %v; want each id once", stored.Load(), refused.Load(), queues, err)
	}
}

func TestPublishAnswersErrFullAtTheDepthLimit(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	p := h.publisher(streams.PublisherOptions{MaxDepth: 3})
	for range 3 {
		if _, err := p.Publish(h.ctx, tasks.Task{Type: "count"}); err != nil {
			t.Fatalf("Publish below the limit: %v", err)
		}
	}
	if _, err := p.Publish(h.ctx, tasks.Task{Type: "count"}); !errors.Is(err, streams.ErrFull) {
		t.Errorf("Publish at the limit = %v, want ErrFull", err)
	}
	if _, err := p.Publish(h.ctx, tasks.Task{Type: "count", Priority: tasks.High}); err != nil {
		t.Errorf("Publish to another priority = %v, want nil", err)
	}
	h.until("the server has counted them", func() bool {
		queues, err := h.Client.Queues(h.ctx)
		return err == nil && queues[1].Waiting == 3
	})
	if _, err := h.publisher(streams.PublisherOptions{MaxDepth: 3}).Publish(h.ctx, tasks.Task{Type: "count"}); !errors.Is(err, streams.ErrFull) {
		t.Errorf("Publish by another publisher = %v, want ErrFull", err)
	}
}

func TestPublishLaterWaitsForItsTime(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	at := time.Now().Add(700 * time.Millisecond)
	receipt := h.publish(tasks.Task{Type: "count", ID: "later", At: at, Payload: []byte(`{"n":1}`)})
	if info, err := h.Client.Task(h.ctx, "later"); err != nil || info.State != tasks.Scheduled || info.Due == nil || !info.Due.Equal(at) {
		t.Errorf("Task = %+v, %v, want it scheduled for %v", info, err, at)
	}
	if _, err := h.publisher(streams.PublisherOptions{}).Publish(h.ctx, tasks.Task{Type: "count", ID: "later"}); !errors.Is(err, streams.ErrWaiting) {
		t.Errorf("Publish of a scheduled id = %v, want ErrWaiting", err)
	}
	var started atomic.Int64
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[number, number]{Name: "count"}, func(_ context.Context, in number) (number, error) {
		started.Store(time.Now().UnixNano())
		return in, nil
	})
	h.work(&r, h.source())
	h.ended(receipt.ID, receipt.Run)
	if early := at.Sub(time.Unix(0, started.Load())); early > 0 {
		t.Errorf("started %v early", early)
	}
}

func TestPublishWithoutAServerSaysSo(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	p := h.publisher(streams.PublisherOptions{Patience: 300 * time.Millisecond})
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	receipt, err := p.Publish(h.ctx, tasks.Task{Type: "count"})
	if !errors.Is(err, streams.ErrUnreachable) || receipt.ID == "" {
		t.Errorf("Publish = %+v, %v, want ErrUnreachable and the id to try again with", receipt, err)
	}
}

// A full store is an answer, and not taken for silence.
func TestPublishSaysWhenTheServerIsFull(t *testing.T) {
	t.Parallel()
	server, err := embedded.New(embedded.Options{Store: t.TempDir(), Listen: "127.0.0.1:0", MaxStore: 2 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	h := connected(t, server.URL())
	p := h.publisher(streams.PublisherOptions{Patience: time.Second})
	payload := incompressible(200 << 10)
	for range 20 {
		if _, err = p.Publish(h.ctx, tasks.Task{Type: "count", Payload: payload}); err != nil {
			break
		}
	}
	if err == nil || errors.Is(err, streams.ErrUnreachable) || !strings.Contains(err.Error(), "did not store it") {
		t.Errorf("Publish to a full server = %v, want its refusal", err)
	}
}

// While the server goes away and comes back, each publish is stored once or
// answered with an error; what was answered with success is there.
func TestPublishThroughARestartStoresNothingTwice(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	server := listening(t, store, "127.0.0.1:0")
	h := connected(t, server.URL())
	p := h.publisher(streams.PublisherOptions{Patience: 20 * time.Second})
	var stored sync.Map
	var count atomic.Int64
	var publishing sync.WaitGroup
	for g := range 8 {
		publishing.Go(func() {
			for i := range 100 {
				task := tasks.Task{Type: "count"}
				if i%2 == 0 {
					task.ID = fmt.Sprintf("own-%d-%d", g, i)
				}
				receipt, err := p.Publish(h.ctx, task)
				if err != nil {
					t.Errorf("Publish: %v", err)
					return
				}
				stored.Store(receipt.ID, true)
				count.Add(1)
			}
		})
	}
	address := server.URL()[len("nats://"):]
	for restart := range 2 {
		h.until("some are stored", func() bool { return count.Load() >= int64(100*(restart+1)) })
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
		server = listening(t, store, address)
	}
	publishing.Wait()
	list, err := h.Client.Tasks(h.ctx, streams.ListFilter{Limit: 10_000})
	if err != nil || len(list) != 800 {
		t.Fatalf("%d tasks are stored (%v), want 800", len(list), err)
	}
	for _, task := range list {
		if _, known := stored.Load(task.ID); !known {
			t.Errorf("task %s is stored and was not acknowledged", task.ID)
		}
	}
}

func listening(t *testing.T, store, address string) *embedded.Server {
	t.Helper()
	server, err := embedded.New(embedded.Options{Store: store, Listen: address})
	if err != nil {
		t.Fatalf("start the server: %v", err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server
}
