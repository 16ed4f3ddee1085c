package streams_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"sparkle/streams"
	"sparkle/tasks"
)

func TestACodecCarriesPayloadAndResult(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	h.Client.Codecs = []streams.Codec{form{}}
	packing := streams.Packing{Codec: form{}}
	_, err := h.publisher(streams.PublisherOptions{Packing: packing}).
		Publish(h.ctx, tasks.Task{Type: "carry", ID: "formed", Payload: []byte(`{"text":"green & black"}`)})
	if err != nil {
		t.Fatal(err)
	}
	m := h.message("SPARKLE_TASKS", "sparkle.tasks.*.*.*.*.formed")
	if string(m.Data) != "text=green+%26+black" || m.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		t.Errorf("the message is %s with %v, want a form", m.Data, m.Header)
	}
	h.raw("sparkle.tasks.ready.high.main.carry.foreign", "text=from+afar", "Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	h.raw("sparkle.tasks.ready.high.main.carry.plain", `{"text":"json"}`, "Content-Type", "application/json; charset=utf-8")
	h.work(carrying(same), streams.NewSource(h.Client, streams.SourceOptions{Topology: shortLease, Packing: packing}))
	for id, want := range map[string]string{
		"formed": `{"text":"green & black"}`, "foreign": `{"text":"from afar"}`, "plain": `{"text":"json"}`,
	} {
		result := h.ended(id, "")
		var got letter
		if err := json.Unmarshal(result.Result, &got); err != nil || fmt.Sprintf(`{"text":%q}`, got.Text) != want {
			t.Errorf("%s ended with %s (%s), want %s", id, result.Result, result.Error, want)
		}
	}
	event := h.message("SPARKLE_EVENTS", "sparkle.events.carry.formed")
	if event.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || bytes.HasPrefix(event.Data, []byte("{")) {
		t.Errorf("the event is %s with %v, want a form", event.Data, event.Header)
	}
}

func TestWhatACodecRefusesIsNotPublished(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	_, err := h.publisher(streams.PublisherOptions{Packing: streams.Packing{Codec: form{}}}).
		Publish(h.ctx, tasks.Task{Type: "carry", Payload: []byte(`{"text":{"secret":1}}`)})
	var invalid *tasks.InvalidError
	if !errors.As(err, &invalid) || invalid.Field != "payload" || strings.Contains(err.Error(), "secret") {
		t.Errorf("Publish = %v, want the payload refused and not quoted", err)
	}
}

func TestABodyThatCannotBeReadIsBuried(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := encoder.EncodeAll(make([]byte, tasks.MaxPayload+1), nil)
	rows := map[string]struct{ body, header, value, want string }{
		"type":     {"\x81\xa1n", "Content-Type", "application/msgpack", `payload: has content type "application/msgpack", and this program has no codec for it`},
		"nonsense": {"{}", "Content-Type", ";;", `payload: has content type ";;"`},
		"encoding": {"\x1f\x8b", "Content-Encoding", "gzip", `payload: has content encoding "gzip", want zstd or none`},
		"no-zstd":  {"secret", "Content-Encoding", "zstd", "payload: cannot be decompressed"},
		"bomb":     {string(bomb), "Content-Encoding", "zstd", "payload: cannot be decompressed within 33554432 bytes"},
		"blob":     {"", streams.HeaderBlob, "payload.none", "payload: blob payload.none is gone"},
	}
	for id, row := range rows {
		h.raw("sparkle.tasks.ready.high.main.carry."+id, row.body, row.header, row.value)
	}
	h.work(carrying(same), h.source())
	for id, row := range rows {
		result := h.ended(id, "")
		if result.Reason != tasks.ReasonPayload || !strings.HasPrefix(result.Error, row.want) {
			t.Errorf("%s ended %s (%s): %s, want dead of its payload: %s", id, result.State, result.Reason, result.Error, row.want)
		}
	}
}

func TestWhatShrinksIsCompressed(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	repeated := fmt.Appendf(nil, `{"text":%q}`, strings.Repeat("green tea ", 100_000)) // 1 MB
	for id, payload := range map[string][]byte{
		"shrinks": repeated, "does-not": incompressible(40 << 10), "small": repeated[len(repeated)-2:],
	} {
		if id == "small" {
			payload = []byte(`{"text":"tea"}`)
		}
		h.publish(tasks.Task{Type: "carry", ID: id, Payload: payload})
		m := h.message("SPARKLE_TASKS", "sparkle.tasks.*.*.*.*."+id)
		if encoding := m.Header.Get("Content-Encoding"); (encoding == "zstd") != (len(m.Data) < len(payload)) || encoding != "" && id == "small" {
			t.Errorf("%s: %d bytes are carried in %d, encoding %q", id, len(payload), len(m.Data), encoding)
		}
	}
	if names, _ := h.bucket(); len(names) != 0 {
		t.Errorf("objects %v, want none: compressed, all fit their messages", names)
	}
	h.work(carrying(same), h.source())
	if result := h.ended("shrinks", ""); !bytes.Equal(result.Result, repeated) {
		t.Errorf("result of %d bytes, want %d", len(result.Result), len(repeated))
	}
	event := h.message("SPARKLE_EVENTS", "sparkle.events.carry.shrinks")
	if event.Header.Get("Content-Encoding") != "zstd" || len(event.Data) > 10<<10 {
		t.Errorf("the event has %d bytes with %v, want its result compressed", len(event.Data), event.Header)
	}
}

func TestPackingMayBeLeftOutOrForced(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	repeated := fmt.Appendf(nil, `{"text":%q}`, strings.Repeat("green tea ", 10_000))
	for id, packing := range map[string]streams.Packing{
		"uncompressed": {CompressAbove: -1}, "blob": {CompressAbove: -1, InlineLimit: 1000}, "both": {CompressAbove: 100, InlineLimit: 10},
	} {
		_, err := h.publisher(streams.PublisherOptions{Packing: packing}).Publish(h.ctx, tasks.Task{Type: "carry", ID: id, Payload: repeated})
		if err != nil {
			t.Fatal(err)
		}
		m := h.message("SPARKLE_TASKS", "sparkle.tasks.*.*.*.*."+id)
		blob, encoding := m.Header.Get(streams.HeaderBlob), m.Header.Get("Content-Encoding")
		if (blob != "") != (id != "uncompressed") || (encoding != "") != (id == "both") {
			t.Errorf("%s: blob %q, encoding %q", id, blob, encoding)
		}
	}
	h.work(carrying(same), h.source())
	for _, id := range []string{"uncompressed", "blob", "both"} {
		if result := h.ended(id, ""); !bytes.Equal(result.Result, repeated) {
			t.Errorf("%s ended %s with %d bytes, want %d", id, result.State, len(result.Result), len(repeated))
		}
	}
}

// Whatever a message says of its body, reading it ends, within bounds, and in
// JSON or an error that says what is wrong with the body.
func FuzzLoad(f *testing.F) {
	client := streams.NewReader(form{})
	small, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("", "", []byte(`{"n":1}`))
	f.Add("", "zstd", small.EncodeAll([]byte(`{"text":"tea"}`), nil))
	f.Add("", "zstd", small.EncodeAll(make([]byte, 1<<20), nil)[:20])
	f.Add("application/x-www-form-urlencoded; charset=x", "", []byte("text=a%20b"))
	f.Add("text/html", "identity", []byte("<p>"))
	f.Fuzz(func(t *testing.T, contentType, encoding string, data []byte) {
		value, err := client.Load(t.Context(), &streams.Body{ContentType: contentType, Encoding: encoding, Data: data})
		var broken *streams.UnreadableError
		if err != nil && (!errors.As(err, &broken) || broken.Want == "") {
			t.Errorf("Load = %v, want an UnreadableError", err)
		}
		if len(value) > tasks.MaxPayload+6*len(data) {
			t.Errorf("Load = %d bytes of %d, want them bounded", len(value), len(data))
		}
	})
}

func BenchmarkPack(b *testing.B) {
	client := streams.NewReader()
	for _, size := range []int{256, 64 << 10, 1 << 20} {
		payload := fmt.Appendf(nil, `{"text":%q}`, strings.Repeat("green tea, black tea ", size/21+1))
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			for b.Loop() {
				if err := client.Pack(payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
