package streams_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"sparkle/streams"
	"sparkle/tasks"
)

const signalled = 200 * time.Millisecond

var slowLease = streams.Topology{AckWait: 12 * time.Second}

// A worker whose connection was away while its task was cancelled finds the
// cancellation in the control bucket.
func TestAWorkerThatComesBackHearsWhatWasCancelled(t *testing.T) {
	t.Parallel()
	server := listening(t, t.TempDir(), "127.0.0.1:0")
	h := connected(t, server.URL())
	proxy := relay(t, server.URL())
	nc, err := streams.Connect(streams.ConnectOptions{URL: proxy.url})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	far, err := streams.NewClient(nc, "")
	if err != nil {
		t.Fatal(err)
	}
	started, causes := make(chan string, 1), make(chan error, 1)
	stop := h.work(stoppable(started, causes), streams.NewSource(far, streams.SourceOptions{Topology: slowLease}),
		func(o *tasks.WorkerOptions) { o.AckWait = slowLease.AckWait })
	defer stop()
	receipt := h.publish(long("id"))
	<-started
	proxy.cut()
	h.until("the worker is away", func() bool { return nc.Status() == nats.RECONNECTING })
	if done := h.cancel("id", tasks.CancelOptions{}); done.Worker != "" {
		t.Errorf("Cancel = %+v, want that nobody answered", done)
	}
	if _, err := h.publisher(streams.PublisherOptions{}).Publish(h.ctx, long("id")); err != nil {
		t.Errorf("the id is not free though nobody answered: %v", err)
	}
	h.cancel("id", tasks.CancelOptions{})
	proxy.mend()
	if cause := <-causes; !errors.Is(cause, tasks.ErrCancelled) {
		t.Errorf("cause = %v, want ErrCancelled", cause)
	}
	if result := h.ended("id", receipt.Run); result.State != tasks.Cancelled {
		t.Errorf("ended %+v, want cancelled", result)
	}
	h.drained()
}

func TestHostileCancellationsStopNothing(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	started, causes := make(chan string, 1), make(chan error, 1)
	h.work(stoppable(started, causes), h.source())
	h.publish(long("id"))
	<-started
	for _, body := range []string{"", "null", "[]", `{"runs":7}`, `{"runs":[{"id":"id"}]}`, `{"runs":[{"id":"*","run":"*"}]}`,
		`{"by":"a\nb","runs":[{"id":"id","run":"x"}]}`, "\xff\xfe"} {
		if err := h.Client.NC().Publish("sparkle.workers.cancel", []byte(body)); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Client.JS().Publish(h.ctx, "$KV.SPARKLE_CONTROL.cancel.hostile", []byte(body)); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Client.JS().Publish(h.ctx, "$KV.SPARKLE_CONTROL.pause.top.main.long", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if pauses, err := h.Client.Pauses(h.ctx); err != nil || len(pauses) != 0 {
		t.Errorf("Pauses = %+v, %v, want none", pauses, err)
	}
	done := h.cancel("id", tasks.CancelOptions{}) // the worker still listens
	if cause := <-causes; done.Worker == "" || !errors.Is(cause, tasks.ErrCancelled) {
		t.Errorf("Cancel = %+v with cause %v, want the worker's answer and ErrCancelled", done, cause)
	}
	h.drained()
}

func FuzzParseCancellation(f *testing.F) {
	for _, seed := range []string{`{"by":"ann","reason":"why","runs":[{"id":"a","run":"b"}]}`, `{"runs":null}`, `{"runs":[{}]}`, `[]`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := streams.ParseCancellation(data)
		if err != nil && len(list) != 0 {
			t.Errorf("ParseCancellation(%q) = %+v, %v, want no list beside an error", data, list, err)
		}
		for _, c := range list {
			if o := (tasks.CancelOptions{By: c.By, Reason: c.Reason}); !tasks.ValidName(c.ID) || c.Run == "" || o.Check() != nil {
				t.Errorf("ParseCancellation(%q) let %+v pass", data, c)
			}
		}
		if len(list) > 500 {
			t.Errorf("ParseCancellation took %d runs, want at most 500", len(list))
		}
	})
}

func FuzzParsePause(f *testing.F) {
	f.Add("pause.high.main.=", []byte(`{"until":"2026-01-01T00:00:00Z","reason":"why","by":"ann","since":"2026-01-01T00:00:00Z"}`))
	f.Add("pause.=.=.a", []byte(`{}`))
	f.Add("pause.=.=.=", []byte(`{"type":"b"}`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		p, err := streams.ParsePause(key, value)
		if err != nil {
			return
		}
		if p.Check() != nil || (tasks.CancelOptions{By: p.By, Reason: p.Reason}).Check() != nil {
			t.Errorf("ParsePause(%q, %q) let %+v pass", key, value, p)
		}
	})
}
