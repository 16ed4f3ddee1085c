package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

const (
	// BlobGrace is the age from which a blob that nothing refers to is removed.
	// A blob is written before what refers to it, so a young one proves nothing.
	blobGrace      = 24 * time.Hour
	blobSweepEvery = time.Hour
)

// A swept is an object that the sweep found.
type swept struct {
	jetstream.ObjectInfo
	sequence uint64 // of its description
	written  time.Time
}

// SweepBlobs removes by mark and sweep the blobs of payloads and results that no
// task, dead letter or event refers to and that are a day older than now, and
// chunks that belong to no object: what a process left that was killed while it
// wrote or removed one. Objects that are no claim check stay.
func (m *Mover) SweepBlobs(ctx context.Context, now time.Time) error {
	before := now.Add(-blobGrace)
	// Chunks first: those of an object that is being written have none yet, and
	// those listed here whose object is completed meanwhile are seen to have one.
	chunks, err := m.chunkSubjects(ctx)
	if err != nil {
		return wrap("sweep", "blobs", err)
	}
	var orphans []swept
	err = m.scan(ctx, m.blobStream(), m.metaAll(), func(s stored) bool {
		o := sweptFrom(s)
		if !o.Deleted {
			delete(chunks, m.chunkSubject(o.NUID))
		}
		if o.Metadata[metaKind] != "" && o.written.Before(before) {
			orphans = append(orphans, o)
		}
		return ctx.Err() == nil
	})
	if err != nil {
		return wrap("sweep", "blobs", err)
	}
	for _, o := range orphans {
		if err := m.sweepBlob(ctx, o); err != nil {
			return wrap("sweep", "blob "+o.Name, err)
		}
	}
	return wrap("sweep", "chunks", m.sweepChunks(ctx, chunks, before))
}

func sweptFrom(s stored) swept {
	o := swept{sequence: s.sequence, written: s.time}
	if json.Unmarshal(s.data, &o.ObjectInfo) != nil {
		o.ObjectInfo = jetstream.ObjectInfo{}
	}
	return o
}

func (m *Mover) metaAll() string { return "$O." + m.ns.Stream("BLOBS") + ".M.>" }

// ChunkSubjects has the subject of each object's chunks, as the leader counts
// them.
func (m *Mover) chunkSubjects(ctx context.Context) (map[string]uint64, error) {
	stream, err := m.js.Stream(ctx, m.blobStream())
	if err != nil {
		return nil, err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(m.chunkSubject(">")))
	if err != nil {
		return nil, err
	}
	return info.State.Subjects, nil
}

// SweepBlob removes a blob that nothing refers to.
func (m *Mover) sweepBlob(ctx context.Context, o swept) error {
	needed, err := m.referred(ctx, o)
	if err != nil || needed {
		return err
	}
	// What was read of a replica is confirmed by the leader.
	s, err := m.leaderGet(ctx, m.blobStream(), map[string]any{"last_by_subj": m.metaSubject(o.Name)})
	if errors.Is(err, errNoMessage) || err == nil && s.sequence != o.sequence {
		return nil // removed, or written anew
	}
	if err != nil {
		return err
	}
	m.options.Log.Info().Str("blob", o.Name).Str("task", o.Metadata[metaTask]).Uint64("bytes", o.Size).Msg("blob removed")
	return m.removeBlob(ctx, o)
}

// RemoveBlob removes the chunks, then the description, and bears repetition: one
// who is killed between the two leaves a description that the next sweep finds.
// The client's own Delete would leave a mark for ever, and there is one name for
// each run.
func (m *Mover) removeBlob(ctx context.Context, o swept) error {
	stream, err := m.js.Stream(ctx, m.blobStream())
	if err != nil {
		return err
	}
	if err := m.step("chunks purge"); err != nil {
		return err
	}
	if err := stream.Purge(ctx, jetstream.WithPurgeSubject(m.chunkSubject(o.NUID))); err != nil {
		return err
	}
	if err := m.step("description purge"); err != nil {
		return err
	}
	return stream.Purge(ctx, jetstream.WithPurgeSubject(m.metaSubject(o.Name)), jetstream.WithPurgeSequence(o.sequence+1))
}

// Referred looks for a message that has the blob's name. A run only moves from
// TASKS to DEAD, and stands in DEAD before it leaves TASKS, so in this order it
// cannot slip by; the leader is asked each time.
func (m *Mover) referred(ctx context.Context, o swept) (bool, error) {
	typ, id := o.Metadata[metaType], o.Metadata[metaTask]
	if !tasks.ValidName(typ) || !tasks.ValidName(id) {
		return true, nil // not written by us
	}
	if o.Deleted {
		return false, nil // by hand; only its mark is left
	}
	for _, place := range []struct{ kind, subject string }{
		{"TASKS", m.ns.Anywhere(id)},
		{"DEAD", m.ns.subject("dead", "*", "*", typ, id)},
		{"EVENTS", m.ns.Event(typ, id)},
	} {
		for next := uint64(1); ; {
			s, err := m.leaderNext(ctx, place.kind, place.subject, next)
			if errors.Is(err, errNoMessage) {
				break
			}
			if err != nil {
				return true, fmt.Errorf("look for a reference: %w", err)
			}
			if header(s.header, HeaderBlob) == o.Name {
				return true, nil
			}
			next = s.sequence + 1
		}
	}
	return false, nil
}

// SweepChunks removes chunks that had no description when it was looked for.
func (m *Mover) sweepChunks(ctx context.Context, chunks map[string]uint64, before time.Time) error {
	var old []string
	for subject := range chunks {
		s, err := m.leaderGet(ctx, m.blobStream(), map[string]any{"last_by_subj": subject})
		if errors.Is(err, errNoMessage) || err == nil && !s.time.Before(before) {
			continue
		}
		if err != nil {
			return err
		}
		old = append(old, subject)
	}
	if len(old) == 0 {
		return nil
	}
	living, err := m.leaderDescriptions(ctx)
	if err != nil {
		return err
	}
	stream, err := m.js.Stream(ctx, m.blobStream())
	if err != nil {
		return err
	}
	for _, subject := range old {
		if living[subject] {
			continue
		}
		m.options.Log.Info().Str("chunks", subject[strings.LastIndexByte(subject, '.')+1:]).Msg("orphaned chunks removed")
		if err := stream.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return err
		}
	}
	return nil
}

// LeaderDescriptions returns the chunk subjects that objects have, one by one
// from the leader: a replica that lags must not cost an object its chunks.
func (m *Mover) leaderDescriptions(ctx context.Context) (map[string]bool, error) {
	living := map[string]bool{}
	for next := uint64(1); ; {
		s, err := m.leaderGet(ctx, m.blobStream(), map[string]any{"seq": next, "next_by_subj": m.metaAll()})
		if errors.Is(err, errNoMessage) {
			return living, nil
		}
		if err != nil {
			return nil, err
		}
		if o := sweptFrom(s); !o.Deleted {
			living[m.chunkSubject(o.NUID)] = true
		}
		next = s.sequence + 1
	}
}
