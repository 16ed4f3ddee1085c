package streams_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sparkle/streams"
	"sparkle/tasks"
)

func echo(_ context.Context, in number) (number, error) { return in, nil }

func TestTheLedgerCountsARequestOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	ledger := streams.NewLedger(h.Client)
	var first atomic.Int64
	var writing sync.WaitGroup
	for writer := range 4 {
		writing.Go(func() {
			for i := range 25 {
				entry := fmt.Appendf(nil, `{"writer":%d}`, writer)
				stored, recorded, err := ledger.Record(h.ctx, "ann müller", "gpt-4 turbo.1", fmt.Sprintf("r/%d", i), entry)
				if err != nil {
					t.Errorf("Record: %v", err)
				}
				if recorded {
					first.Add(1)
				}
				if recorded != bytes.Equal(stored, entry) {
					t.Errorf("Record(%s) = %s, recorded %v", entry, stored, recorded)
				}
			}
		})
	}
	writing.Wait()
	count := 0
	err := ledger.Entries(h.ctx, "ann müller", func(at time.Time, _ []byte) {
		count++
		if time.Since(at) > time.Hour {
			t.Errorf("entry recorded at %v", at)
		}
	})
	if err != nil || count != 25 || first.Load() != 25 {
		t.Errorf("%d entries, %d told as recorded, %v; want 25 of both", count, first.Load(), err)
	}
	if err := ledger.Entries(h.ctx, "ann", func(time.Time, []byte) { t.Error("another user has an entry") }); err != nil {
		t.Error(err)
	}
}

// A request's identity is the request alone: under another user or model it is
// the same one.
func TestTheLedgerKnowsARequestUnderAnyUser(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	ledger := streams.NewLedger(h.Client)
	for i, user := range []string{"ann", "bob"} {
		stored, recorded, err := ledger.Record(h.ctx, user, "m", "=r", []byte(user))
		if err != nil || recorded != (i == 0) || string(stored) != "ann" {
			t.Errorf("Record of %s = %s, %v, %v", user, stored, recorded, err)
		}
	}
}

func TestBlobsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	picture := bytes.Repeat([]byte("<svg/>"), 100_000)
	for range 2 { // a repeat replaces
		if err := h.Client.Put(h.ctx, "p-1", "image/svg+xml", picture); err != nil {
			t.Fatalf("Put: %v", err)
		}
	}
	data, contentType, err := h.Client.Get(h.ctx, "p-1")
	if err != nil || contentType != "image/svg+xml" || !bytes.Equal(data, picture) {
		t.Errorf("Get = %d bytes, %q, %v; want what was put", len(data), contentType, err)
	}
	if _, _, err := h.Client.Get(h.ctx, "p-2"); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("Get of nothing = %v, want ErrNotFound", err)
	}
	if err := h.Client.Put(h.ctx, "big", "", make([]byte, streams.MaxBlob+1)); err == nil {
		t.Error("Put of more than MaxBlob = nil, want an error")
	}
}

func TestWorkersTellWhatTheyDo(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	if workers, err := h.Client.Workers(h.ctx, time.Second); err != nil || len(workers) != 0 {
		t.Errorf("Workers of nobody = %+v, %v, want none at once", workers, err)
	}
	ctx, cancel := context.WithCancel(h.ctx)
	var registered sync.WaitGroup
	for _, name := range []string{"w2", "w1"} {
		registered.Go(func() {
			worker, err := tasks.NewWorker(tasks.WorkerOptions{Name: name, Source: h.source(), Registry: new(tasks.Registry)})
			if err != nil {
				t.Error(err)
				return
			}
			if err := streams.NewController(h.Client, streams.ControllerOptions{Worker: worker}).Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	h.until("both are known", func() bool {
		workers, err := h.Client.Workers(h.ctx, 100*time.Millisecond)
		return err == nil && len(workers) == 2 && workers[0].Name == "w1" && workers[1].Slots == 10
	})
	cancel()
	registered.Wait()
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct {
		name    string
		options streams.ConnectOptions
		want    string
	}{
		{"nobody there", streams.ConnectOptions{URL: "nats://ann:secret@127.0.0.1:1", Wait: time.Second}, "no server answers there"},
		{"a URL that is none", streams.ConnectOptions{URL: "nats://sec secret@127.0.0.1"}, "not of the form"},
		{"no creds file", streams.ConnectOptions{URL: "nats://ann:secret@127.0.0.1:1", Creds: dir + "/none.creds"}, "--creds"},
		{"no nkey file", streams.ConnectOptions{NKey: dir + "/none.nk"}, "--nkey"},
		{"no authority file", streams.ConnectOptions{TLSCA: dir + "/none.pem"}, "--tls-ca"},
		{"certificate without key", streams.ConnectOptions{TLSCert: dir + "/none.pem"}, "--tls-cert and --tls-key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := streams.Connect(c.options)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("Connect = %v, want %q and no secret", err, c.want)
			}
		})
	}
}
