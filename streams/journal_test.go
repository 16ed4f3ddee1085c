package streams_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sparkle/streams"
	"sparkle/streams/streamstest"
	"sparkle/tasks"
)

// AppendAll stores n events at once and returns what each was answered.
func appendAll(ctx context.Context, c *streams.Client, n int, event func(i int) streams.Event) []error {
	answers := make([]error, n)
	var appending sync.WaitGroup
	for i := range n {
		appending.Go(func() { answers[i] = c.Append(ctx, event(i)) })
	}
	appending.Wait()
	return answers
}

func succeeded(i int) streams.Event {
	return streams.Event{
		Type: "work", ID: fmt.Sprintf("t%d", i), Run: "r", State: tasks.Succeeded, Attempt: 1,
		Priority: tasks.Default, Pool: tasks.MainPool, Sequence: uint64(i), Result: []byte(`{}`),
	}
}

func TestEventsThatComeTogetherAreEachStoredOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	for _, n := range []int{1, 7, 8, 9, 40, 1500} {
		for i, err := range appendAll(h.ctx, h.Client, n, succeeded) {
			if err != nil {
				t.Fatalf("of %d events: Append of event %d = %v, want nil", n, i, err)
			}
		}
	}
	events, err := h.Client.Events(h.ctx, "t0")
	if err != nil || len(events) != 6 {
		t.Errorf("%d events of t0 (%v), want 6", len(events), err)
	}
	events, err = h.Client.Events(h.ctx, "t1499")
	if err != nil || len(events) != 1 || events[0].State != tasks.Succeeded || string(events[0].Result) != `{}` {
		t.Errorf("events of t1499 = %+v (%v), want one, succeeded", events, err)
	}
}

func TestAnEventThatIsRefusedSpoilsNoOther(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	stream, err := h.Client.JS().Stream(h.ctx, "SPARKLE_EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.MaxMsgSize = 1024
	if _, err := h.Client.JS().UpdateStream(h.ctx, config); err != nil {
		t.Fatal(err)
	}
	const bad = 17
	answers := appendAll(h.ctx, h.Client, 100, func(i int) streams.Event {
		e := succeeded(i)
		if i == bad {
			e.Result = []byte(`"` + strings.Repeat("x", 2048) + `"`)
		}
		return e
	})
	for i, err := range answers {
		var api *jetstream.APIError
		switch {
		case i == bad && !errors.As(err, &api):
			t.Errorf("Append of the event that is too large = %v, want the server's refusal", err)
		case i != bad && err != nil:
			t.Errorf("Append of event %d = %v, want nil", i, err)
		}
	}
}

func TestEventsWaitForAServerThatComesBack(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	server := listening(t, store, "127.0.0.1:0")
	h := connected(t, server.URL())
	address := strings.TrimPrefix(server.URL(), "nats://")
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	answers := make(chan []error)
	go func() { answers <- appendAll(h.ctx, h.Client, 50, succeeded) }()
	h.until("the events have waited for the server", func() bool { return !h.Conn.IsConnected() })
	listening(t, store, address)
	for i, err := range <-answers {
		if err != nil {
			t.Errorf("Append of event %d = %v, want nil", i, err)
		}
	}
	if e, err := h.Client.Events(h.ctx, "t49"); err != nil || len(e) == 0 {
		t.Errorf("events of t49 = %v (%v), want one", e, err)
	}
}

func BenchmarkEvents(b *testing.B) {
	s := streamstest.New(b, streamstest.Options{})
	for _, together := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("together=%d", together), func(b *testing.B) {
			b.ReportAllocs()
			for n := b.N; n > 0; n -= together {
				for _, err := range appendAll(b.Context(), s.Client, min(n, together), func(i int) streams.Event {
					e := succeeded(i)
					e.Started, e.Ended = time.Now(), time.Now()
					return e
				}) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
