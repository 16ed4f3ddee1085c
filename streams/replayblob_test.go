package streams_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"sparkle/streams"
	"sparkle/tasks"
)

// A large payload goes through death, export, removal, import and replay.
func TestALargePayloadSurvivesExportImportAndReplay(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	payload := incompressible(600 << 10)
	var mended atomic.Bool
	h.work(carrying(func(_ context.Context, in letter) (letter, error) {
		if !mended.Load() {
			return letter{}, tasks.Permanent(errors.New("not yet"))
		}
		return in, nil
	}), h.source())
	receipt := h.publish(tasks.Task{Type: carry.Name, ID: "large", Payload: payload})
	h.ended(receipt.ID, receipt.Run)
	h.until("the letter is there", func() bool { return len(h.deadLetters("large")) == 1 })

	dead := h.deadLetters("large")[0]
	if dead.Body == nil || dead.Body.Blob == "" || dead.Payload != nil {
		t.Fatalf("letter carries %+v and %d bytes, want a claim check", dead.Body, len(dead.Payload))
	}
	whole := dead
	if err := h.Client.LoadDead(h.ctx, &whole); err != nil || !bytes.Equal(whole.Payload, payload) {
		t.Fatalf("LoadDead = %v with %d bytes, want the payload", err, len(whole.Payload))
	}
	line, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Client.RemoveDead(h.ctx, dead); err != nil {
		t.Fatalf("RemoveDead: %v", err)
	}
	imported, err := streams.DecodeDead(line)
	if err != nil {
		t.Fatalf("DecodeDead: %v", err)
	}
	if stored, err := h.Client.ImportDead(h.ctx, imported); err != nil || !stored {
		t.Fatalf("ImportDead = %v, %v, want it stored", stored, err)
	}
	mended.Store(true)
	again := h.deadLetters("large")[0]
	replayed, err := h.replayer(streams.ReplayOptions{}).Replay(h.ctx, again)
	if err != nil {
		t.Fatalf("Replay: %v", err)
	}
	end := h.ended("large", replayed.Run)
	if end.State != tasks.Succeeded || !bytes.Equal(end.Result, payload) {
		t.Errorf("the replayed run ended as %s with %d bytes, want succeeded with its payload", end.State, len(end.Result))
	}
}

// A replay is a run of its own: the sweep removes what its letter had and keeps
// what it got.
func TestAReplayHasABlobOfItsOwn(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	payload := incompressible(300 << 10)
	stop := h.work(carrying(func(context.Context, letter) (letter, error) {
		return letter{}, tasks.Permanent(errors.New("no"))
	}), h.source())
	receipt := h.publish(tasks.Task{Type: carry.Name, ID: "again", Payload: payload})
	h.ended(receipt.ID, receipt.Run)
	h.drained()
	stop()
	replayed, err := h.replayer(streams.ReplayOptions{}).Replay(h.ctx, h.deadLetters("again")[0])
	if err != nil {
		t.Fatalf("Replay: %v", err)
	}
	h.sweep(25 * time.Hour)
	if names, _ := h.bucket(); len(names) != 1 || names[0] != "payload."+replayed.Run {
		t.Errorf("objects %v, want that of run %s alone", names, replayed.Run)
	}
	h.work(carrying(same), h.source())
	if end := h.ended("again", replayed.Run); !bytes.Equal(end.Result, payload) {
		t.Errorf("ended as %s with %d bytes, want the payload", end.State, len(end.Result))
	}
}

// What cannot be read is exported and imported as it stands, and refused when it
// is to run.
func TestALetterWhoseBlobIsGoneIsKeptAndNotReplayed(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	h.work(carrying(func(context.Context, letter) (letter, error) {
		return letter{}, tasks.Permanent(errors.New("no"))
	}), h.source())
	receipt := h.publish(tasks.Task{Type: carry.Name, ID: "lost", Payload: incompressible(600 << 10)})
	h.ended(receipt.ID, receipt.Run)
	h.until("the letter is there", func() bool { return len(h.deadLetters("lost")) == 1 })
	dead := h.deadLetters("lost")[0]
	blobs, err := h.Client.JS().ObjectStore(h.ctx, "SPARKLE_BLOBS")
	if err != nil {
		t.Fatal(err)
	}
	if err := blobs.Delete(h.ctx, dead.Body.Blob); err != nil {
		t.Fatal(err)
	}
	var unreadable *streams.UnreadableError
	if err := h.Client.LoadDead(h.ctx, &dead); !errors.As(err, &unreadable) {
		t.Errorf("LoadDead = %v, want an UnreadableError", err)
	}
	var invalid *tasks.InvalidError
	if _, err := h.replayer(streams.ReplayOptions{}).Replay(h.ctx, dead); !errors.As(err, &invalid) || invalid.Field != "payload" {
		t.Errorf("Replay = %v, want an InvalidError of payload", err)
	}
	if err := h.Client.RemoveDead(h.ctx, dead); err != nil {
		t.Fatal(err)
	}
	if stored, err := h.Client.ImportDead(h.ctx, dead); err != nil || !stored {
		t.Errorf("ImportDead = %v, %v, want it stored", stored, err)
	}
	if letters := h.deadLetters("lost"); len(letters) != 1 || letters[0].Body == nil || letters[0].Body.Blob != dead.Body.Blob {
		t.Errorf("letters %+v, want the one that refers to the blob", letters)
	}
}
