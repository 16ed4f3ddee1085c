package streams_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sparkle/streams"
	"sparkle/tasks"
)

// Two builds of one type: the new one takes a field more, in another queue.
type (
	orderV1 struct {
		Item string `json:"item"`
	}
	orderV2 struct {
		Item  string `json:"item"`
		Count int    `json:"count"`
	}
)

func oldBuild(runs *atomic.Int64) *tasks.Registry {
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[orderV1, number]{Name: "order"}, func(context.Context, orderV1) (number, error) {
		return number{int(runs.Add(1))}, nil
	})
	return &r
}

func newBuild(runs *atomic.Int64) *tasks.Registry {
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[orderV2, number]{Name: "order", Priority: tasks.High, Pool: "orders"}, func(context.Context, orderV2) (number, error) {
		return number{int(runs.Add(1))}, nil
	})
	tasks.Declare(&r, tasks.Type[number, number]{Name: "only_published"})
	return &r
}

func (h *harness) announce(r *tasks.Registry, program string) {
	h.t.Helper()
	if err := h.Client.Announce(h.ctx, r, program); err != nil {
		h.t.Fatalf("Announce: %v", err)
	}
}

func TestPayloadsOfAnyAnnouncedVersionPass(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{Pools: []string{"main", "orders"}, AckWait: shortLease.AckWait})
	var old, fresh atomic.Int64
	h.announce(oldBuild(&old), "1.0.0")
	h.announce(newBuild(&fresh), "1.1.0")
	others := new(tasks.Registry)
	tasks.Declare(others, tasks.Type[number, number]{Name: "count"})
	for name, registry := range map[string]*tasks.Registry{"without a registry": nil, "with a registry that lacks it": others} {
		p := h.publisher(streams.PublisherOptions{Registry: registry})
		for _, payload := range []string{`{"item":"tea"}`, `{"item":"tea","count":2}`} {
			receipt, err := p.Publish(h.ctx, tasks.Task{Type: "order", Payload: []byte(payload)})
			if err != nil || receipt.Priority != tasks.High || receipt.Pool != "orders" {
				t.Errorf("%s: Publish(%s) = %+v, %v, want it in the queue of the newest version", name, payload, receipt, err)
			}
		}
		_, err := p.Publish(h.ctx, tasks.Task{Type: "order", Payload: []byte(`{"item":"secret","count":"two"}`)})
		var invalid *tasks.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != "payload.count" || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: Publish of what fits neither = %v, want the field that the newest version names", name, err)
		}
	}
}

func TestATypeThatNobodyKnows(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	var runs atomic.Int64
	h.announce(newBuild(&runs), "1.1.0")
	unknown := tasks.Task{Type: "nobodys", Payload: []byte(`{}`)}
	if _, err := h.publisher(streams.PublisherOptions{}).Publish(h.ctx, unknown); err != nil {
		t.Errorf("Publish without a registry = %v, want nil", err)
	}
	checked := h.publisher(streams.PublisherOptions{Registry: new(tasks.Registry)})
	for _, typ := range []string{"nobodys", "only_published"} { // the second is declared there, not run
		unknown.Type = typ
		_, err := checked.Publish(h.ctx, unknown)
		var invalid *tasks.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != "type" {
			t.Errorf("Publish of %s with a registry = %v, want an unknown type", typ, err)
		}
	}
	// Announced a moment later, it passes without a new publisher.
	var late tasks.Registry
	tasks.Handle(&late, tasks.Type[number, number]{Name: "nobodys"}, echo)
	h.announce(&late, "1.2.0")
	h.until("the announcement is seen", func() bool {
		_, err := checked.Publish(h.ctx, tasks.Task{Type: "nobodys", Payload: []byte(`{"n":1}`)})
		return err == nil
	})
}

// Without an answer from the bucket a publish goes by what is known before, and
// a registry's own types do not even ask.
func TestPublishingGoesOnWithoutTheControlBucket(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	if err := h.Client.JS().DeleteKeyValue(h.ctx, "SPARKLE_CONTROL"); err != nil {
		t.Fatal(err)
	}
	registry := new(tasks.Registry)
	tasks.Declare(registry, tasks.Type[number, number]{Name: "count"})
	for typ, p := range map[string]*streams.Publisher{
		"count": h.publisher(streams.PublisherOptions{Registry: registry}), "other": h.publisher(streams.PublisherOptions{}),
	} {
		if _, err := p.Publish(h.ctx, tasks.Task{Type: typ, Payload: []byte(`{"n":1}`)}); err != nil {
			t.Errorf("Publish of %s = %v, want nil", typ, err)
		}
	}
}

func TestAnnouncedListsTheNewestVersionFirst(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	var runs atomic.Int64
	h.announce(newBuild(&runs), "1.1.0")
	h.announce(oldBuild(&runs), "1.0.0") // an old build starts again, so it is there last
	before := h.revision()
	h.announce(oldBuild(&runs), "1.0.0")
	if after := h.revision(); after != before {
		t.Errorf("announcing again wrote %d entries, want none", after-before)
	}
	h.announce(oldBuild(&runs), "1.0.1")
	list, err := h.Client.Announced(h.ctx)
	if err != nil || len(list) != 2 {
		t.Fatalf("Announced = %+v, %v, want both versions", list, err)
	}
	got := list[0]
	if got.Name != "order" || got.Program != "1.0.1" || got.Pool != "main" || time.Since(got.Announced) > time.Minute || got.Hash == list[1].Hash {
		t.Errorf("newest %+v, want that of program 1.0.1", got)
	}
	if err := got.Schema.Check([]byte(`{"item":1}`)); err == nil || !strings.Contains(err.Error(), "payload.item") {
		t.Errorf("its schema says %v, want the field", err)
	}
	if err := h.Client.Forget(h.ctx, list[:1]); err != nil {
		t.Fatal(err)
	}
	if list, err = h.Client.Announced(h.ctx); err != nil || len(list) != 1 || list[0].Program != "1.1.0" {
		t.Errorf("Announced = %+v, %v, want that of 1.1.0 alone", list, err)
	}
}

// What others write under the key of a type is no schema to go by.
func TestABrokenAnnouncementIsLeftOut(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	control, err := h.Client.JS().KeyValue(h.ctx, "SPARKLE_CONTROL")
	if err != nil {
		t.Fatal(err)
	}
	for hash, value := range map[string]string{
		"a": `{`, "b": `{"name":"other","schema":{},"priority":"high","pool":"main","hash":"b"}`, "c": `{"name":"order","schema":{"type":7},"hash":"c"}`,
		"d": `{"name":"order","schema":{},"priority":"urgent","pool":"main","hash":"d"}`,
	} {
		if _, err := control.PutString(h.ctx, "type.order."+hash, value); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := h.Client.Announced(h.ctx); err != nil || len(list) != 0 {
		t.Errorf("Announced = %+v, %v, want none", list, err)
	}
	if _, err := h.publisher(streams.PublisherOptions{}).Publish(h.ctx, tasks.Task{Type: "order", Payload: []byte(`{"any":1}`)}); err != nil {
		t.Errorf("Publish = %v, want nil: nobody has announced the type", err)
	}
}

func (h *harness) revision() uint64 {
	h.t.Helper()
	stream, err := h.Client.JS().Stream(h.ctx, "KV_SPARKLE_CONTROL")
	if err != nil {
		h.t.Fatal(err)
	}
	return stream.CachedInfo().State.LastSeq
}

// An old worker beside a new one: what it cannot take it buries, and says the
// field. So workers are deployed before publishers use what is new.
func TestAnOldWorkerBuriesAPayloadOfTheNewVersion(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	var old, fresh atomic.Int64
	h.announce(oldBuild(&old), "1.0.0")
	h.announce(newBuild(&fresh), "1.1.0")
	h.work(oldBuild(&old), h.source())
	p := h.publisher(streams.PublisherOptions{})
	for id, payload := range map[string]string{"v1": `{"item":"tea"}`, "v2": `{"item":"tea","count":2}`} {
		task := tasks.Task{Type: "order", ID: id, Payload: []byte(payload), Priority: tasks.Default, Pool: "main"}
		if _, err := p.Publish(h.ctx, task); err != nil {
			t.Fatal(err)
		}
	}
	if v1 := h.ended("v1", ""); v1.State != tasks.Succeeded {
		t.Errorf("the old version ended %+v, want success", v1)
	}
	if v2 := h.ended("v2", ""); v2.Reason != tasks.ReasonPayload || v2.Error != "payload.count: unknown field" {
		t.Errorf("the new version ended %+v, want dead of its payload, naming the field", v2)
	}
}
