package streams_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sparkle/streams"
	"sparkle/tasks"
)

type letter struct {
	Text string `json:"text"`
}

var carry = tasks.Type[letter, letter]{Name: "carry", Retry: tasks.Retry{Attempts: 3, Base: time.Millisecond}}

// Incompressible returns a payload of carry that zstd does not make much smaller.
func incompressible(size int) []byte {
	raw := make([]byte, size*3/4)
	source := rand.NewChaCha8([32]byte{byte(size)})
	_, _ = source.Read(raw) // never fails
	return fmt.Appendf(nil, `{"text":%q}`, base64.StdEncoding.EncodeToString(raw))
}

func carrying(fn func(ctx context.Context, in letter) (letter, error)) *tasks.Registry {
	var r tasks.Registry
	tasks.Handle(&r, carry, fn)
	return &r
}

func same(_ context.Context, in letter) (letter, error) { return in, nil }

// Bucket returns the names of the objects, and the messages of the stream below.
func (h *harness) bucket() (names []string, messages uint64) {
	h.t.Helper()
	store, err := h.Client.JS().ObjectStore(h.ctx, "SPARKLE_BLOBS")
	if err != nil {
		h.t.Fatal(err)
	}
	list, err := store.List(h.ctx)
	if err != nil && !errors.Is(err, jetstream.ErrNoObjectsFound) {
		h.t.Fatal(err)
	}
	for _, info := range list {
		names = append(names, info.Name)
	}
	stream, err := h.Client.JS().Stream(h.ctx, "OBJ_SPARKLE_BLOBS")
	if err != nil {
		h.t.Fatal(err)
	}
	return names, stream.CachedInfo().State.Msgs
}

func (h *harness) message(stream, subject string) *jetstream.RawStreamMsg {
	h.t.Helper()
	s, err := h.Client.JS().Stream(h.ctx, stream)
	if err != nil {
		h.t.Fatal(err)
	}
	m, err := s.GetLastMsgForSubject(h.ctx, subject)
	if err != nil {
		h.t.Fatalf("last message of %s: %v", subject, err)
	}
	return m
}

func TestALargePayloadAndItsResultAreBlobs(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	payload := incompressible(700 << 10)
	receipt := h.publish(tasks.Task{Type: "carry", ID: "big", Payload: payload})
	m := h.message("SPARKLE_TASKS", "sparkle.tasks.*.*.*.*.big")
	if len(m.Data) != 0 || m.Header.Get(streams.HeaderBlob) != "payload."+receipt.Run || m.Header.Get(streams.HeaderBlobDigest) == "" {
		t.Errorf("the message has %d bytes and headers %v, want a claim check alone", len(m.Data), m.Header)
	}
	info, err := h.Client.Task(h.ctx, "big")
	if err != nil || !bytes.Equal(info.Payload, payload) {
		t.Errorf("Task has a payload of %d bytes (%v), want all %d", len(info.Payload), err, len(payload))
	}
	listed, err := h.Client.Tasks(h.ctx, streams.ListFilter{})
	if err != nil || len(listed) != 1 || listed[0].Payload != nil || listed[0].PayloadBody == nil {
		t.Errorf("Tasks = %+v, %v, want the claim check and no payload", listed, err)
	}
	h.work(carrying(func(ctx context.Context, in letter) (letter, error) {
		return in, failFirst(tasks.Current(ctx).Attempt)
	}), h.source())
	result := h.ended("big", receipt.Run)
	if result.Attempt != 2 || !bytes.Equal(result.Result, payload) {
		t.Errorf("ended %s at attempt %d with %d bytes, want the payload at the second", result.State, result.Attempt, len(result.Result))
	}
	if info, err = h.Client.Task(h.ctx, "big"); err != nil || !bytes.Equal(info.Result, payload) {
		t.Errorf("Task has a result of %d bytes (%v), want all %d", len(info.Result), err, len(payload))
	}
	if names, _ := h.bucket(); len(names) != 2 {
		t.Errorf("objects %v, want one of the payload and one of the result", names)
	}
}

func TestALargeDelayedTaskRunsAndItsLetterKeepsThePayload(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	payload := incompressible(300 << 10)
	h.publish(tasks.Task{Type: "carry", ID: "later", Payload: payload, At: time.Now().Add(200 * time.Millisecond)})
	var got atomic.Int64
	h.work(carrying(func(_ context.Context, in letter) (letter, error) {
		got.Store(int64(len(in.Text)))
		return in, tasks.Permanent(errors.New("no use"))
	}), h.source())
	h.ended("later", "")
	h.drained()
	letters := h.deadLetters("later")
	if len(letters) != 1 || letters[0].Payload != nil || got.Load() == 0 {
		t.Fatalf("dead letters %+v after %d bytes, want one with a claim check", letters, got.Load())
	}
	loaded, err := h.Client.Load(h.ctx, letters[0].Body)
	if err != nil || !bytes.Equal(loaded, payload) {
		t.Errorf("Load = %d bytes, %v, want the payload", len(loaded), err)
	}
}

func TestABlobThatIsNotWhatTheTaskSaysBuriesIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		damage func(h *harness, blob string) error
		want   string
	}{
		{"gone", func(h *harness, blob string) error { return h.store().Delete(h.ctx, blob) }, "is gone"},
		{"replaced", func(h *harness, blob string) error {
			_, err := h.store().PutBytes(h.ctx, blob, []byte(`{"text":"other"}`))
			return err
		}, "has another digest than the task says"},
		{"without its chunks", func(h *harness, blob string) error {
			info, err := h.store().GetInfo(h.ctx, blob)
			if err != nil {
				return err
			}
			stream, err := h.Client.JS().Stream(h.ctx, "OBJ_SPARKLE_BLOBS")
			if err != nil {
				return err
			}
			return stream.Purge(h.ctx, jetstream.WithPurgeSubject("$O.SPARKLE_BLOBS.C."+info.NUID))
		}, "is damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, streams.Topology{})
			receipt := h.publish(tasks.Task{Type: "carry", ID: "big", Payload: incompressible(300 << 10)})
			if err := c.damage(h, "payload."+receipt.Run); err != nil {
				t.Fatal(err)
			}
			h.work(carrying(same), h.source())
			result := h.ended("big", receipt.Run)
			if result.Reason != tasks.ReasonPayload || result.Attempt != 1 || !strings.Contains(result.Error, c.want) || !strings.HasPrefix(result.Error, "payload: blob") {
				t.Errorf("ended %+v, want dead at once of its payload: %s", result, c.want)
			}
			if info, err := h.Client.Task(h.ctx, "big"); err != nil || info.State != tasks.Dead {
				t.Errorf("Task = %+v, %v, want it told all the same", info, err)
			}
		})
	}
}

func (h *harness) store() jetstream.ObjectStore {
	h.t.Helper()
	store, err := h.Client.JS().ObjectStore(h.ctx, "SPARKLE_BLOBS")
	if err != nil {
		h.t.Fatal(err)
	}
	return store
}

// Where the server does not answer for the blob, the attempt has failed like any
// other; it is no fault of the payload.
func TestABlobThatCannotBeAskedForIsAFailedAttempt(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	receipt := h.publish(tasks.Task{Type: "carry", ID: "big", Payload: incompressible(300 << 10), MaxAttempts: 2})
	if err := h.Client.JS().DeleteStream(h.ctx, "OBJ_SPARKLE_BLOBS"); err != nil {
		t.Fatal(err)
	}
	h.work(carrying(same), h.source())
	result := h.ended("big", receipt.Run)
	if result.Reason != tasks.ReasonAttempts || result.Attempt != 2 || !strings.Contains(result.Error, "load the payload") {
		t.Errorf("ended %+v, want dead after 2 failed attempts", result)
	}
}

// What is only parked, expired or handed back is not loaded: its blob may even be
// gone.
func TestABlobIsLoadedOnlyWhenItsTaskStarts(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	for id, task := range map[string]tasks.Task{
		"parked":  {Type: "tomorrows_type"},
		"expired": {Type: "carry", Expires: time.Now().Add(-time.Second)},
	} {
		task.ID, task.Payload = id, incompressible(300<<10)
		receipt := h.publish(task)
		if err := h.store().Delete(h.ctx, "payload."+receipt.Run); err != nil {
			t.Fatal(err)
		}
	}
	h.work(carrying(same), h.source())
	if result := h.ended("expired", ""); result.State != tasks.Expired {
		t.Errorf("ended %+v, want expired", result)
	}
	h.until("it is parked", func() bool {
		info, err := h.Client.Task(h.ctx, "parked")
		return err == nil && info.State == tasks.Parked && strings.HasPrefix(info.Unreadable, "payload: blob")
	})
}

func TestALargePayloadOfATakenIDStoresNoBlob(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	h.publish(tasks.Task{Type: "carry", ID: "one", Payload: []byte(`{"text":"small"}`)})
	_, err := h.publisher(streams.PublisherOptions{}).Publish(h.ctx, tasks.Task{Type: "carry", ID: "one", Payload: incompressible(300 << 10)})
	if !errors.Is(err, streams.ErrWaiting) {
		t.Errorf("Publish = %v, want ErrWaiting", err)
	}
	if names, messages := h.bucket(); messages != 0 {
		t.Errorf("objects %v in %d messages, want none", names, messages)
	}
}

func TestMoreThanTheTotalLimitIsRefused(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	large := []byte(`"` + strings.Repeat("x", tasks.MaxPayload) + `"`)
	_, err := h.publisher(streams.PublisherOptions{}).Publish(h.ctx, tasks.Task{Type: "carry", Payload: large})
	invalid := (*tasks.InvalidError)(nil)
	if !errors.As(err, &invalid) || invalid.Field != "payload" {
		t.Errorf("Publish = %v, want it refused by its size", err)
	}
}

func TestALargePayloadWithoutAServerSaysSo(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	p := h.publisher(streams.PublisherOptions{Patience: 300 * time.Millisecond})
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	receipt, err := p.Publish(h.ctx, tasks.Task{Type: "carry", Payload: incompressible(300 << 10)})
	if !errors.Is(err, streams.ErrUnreachable) || !strings.Contains(err.Error(), "nothing was published") {
		t.Errorf("Publish = %+v, %v, want ErrUnreachable, and that nothing was published", receipt, err)
	}
}

// An object store that is full refuses the task and keeps nothing of it.
func TestAFullObjectStoreRefusesALargePayload(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	stream, err := h.Client.JS().Stream(h.ctx, "OBJ_SPARKLE_BLOBS")
	if err != nil {
		t.Fatal(err)
	}
	limited := stream.CachedInfo().Config
	limited.MaxBytes = 300 << 10
	if _, err := h.Client.JS().UpdateStream(h.ctx, limited); err != nil {
		t.Fatal(err)
	}
	// Long beside one try: what is cut off in the middle is left to the sweep.
	p := h.publisher(streams.PublisherOptions{Patience: 3 * time.Second})
	_, err = p.Publish(h.ctx, tasks.Task{Type: "carry", ID: "big", Payload: incompressible(700 << 10)})
	if err == nil || errors.Is(err, streams.ErrUnreachable) || !strings.Contains(err.Error(), "store blob payload.") || !strings.Contains(err.Error(), "maximum bytes exceeded") {
		t.Errorf("Publish = %v, want the server's refusal of the blob", err)
	}
	if names, messages := h.bucket(); messages != 0 {
		t.Errorf("objects %v in %d messages, want nothing half written", names, messages)
	}
	if _, err := h.Client.Task(h.ctx, "big"); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("Task = %v, want none", err)
	}
}

func (h *harness) sweep(ahead time.Duration) {
	h.t.Helper()
	if err := streams.NewMover(h.Client, streams.MoverOptions{}).SweepBlobs(h.ctx, time.Now().Add(ahead)); err != nil {
		h.t.Fatalf("SweepBlobs: %v", err)
	}
}

// A message of more than one server's share: the batch is cut by bytes, and the
// rest is read all the same.
func TestReadingGoesOnBehindABatchThatIsCutByBytes(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	const count = 60
	for i := range count {
		m := nats.NewMsg(fmt.Sprintf("sparkle.dead.low.main.carry.d%d", i))
		m.Data = bytes.Repeat([]byte(" "), 250<<10)
		if _, err := h.Conn.RequestMsgWithContext(h.ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	if letters := h.deadLetters(""); len(letters) != count {
		t.Errorf("%d dead letters, want %d", len(letters), count)
	}
}
