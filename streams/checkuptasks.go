package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"sparkle/tasks"
)

// A Found is a message of TASKS that somebody must look at.
type Found struct {
	ID, Type string
	Queue    tasks.Queue
	Sequence uint64
	Age      time.Duration // since the last sign of it: its message or its last event
}

// TaskFacts is what a look through TASKS found. Lists have at most 20 elements,
// the counts are of all that was read.
type TaskFacts struct {
	Read int  // messages
	Cut  bool // there were more than the sample
	// Unscheduled stand on later without a schedule: nothing will ever run
	// them, and their ids are taken.
	Unscheduled      []Found
	UnscheduledCount int
	// Unserved wait in a pool that has no consumer, counted by pool.
	Unserved map[string]int
	// Parked are counted by type.
	Parked map[string]int
	// Orphans are held by nobody, and the next sweep buries them.
	Orphans      []Found
	OrphansCount int
	// Suspects are as many as the server has delivered and holds no lease on,
	// though the sweep cannot tell yet which ones: older tasks are still
	// leased. Listed are those without a sign of life for three ack waits.
	Suspects      []Found
	SuspectsCount int
}

const (
	maxFound  = 20
	maxLookup = 200 // events that one look reads
	maxRead   = 64 << 20
)

// Tasks looks through TASKS, from its oldest message on.
func (k *Checkup) Tasks(ctx context.Context) (TaskFacts, error) {
	f := TaskFacts{Unserved: map[string]int{}, Parked: map[string]int{}}
	// First the consumers, then the messages: what was settled between is no
	// longer counted, so no task in work is taken for an orphan.
	consumers, err := k.consumers(ctx)
	if err != nil {
		return f, err
	}
	delivered := map[tasks.Queue][]stored{}
	cut, err := k.sample(ctx, k.ns.subject("tasks", "ready", ">"), func(s stored) {
		f.Read++
		a, err := k.ns.parse(s.subject)
		if err != nil || a.typ == tasks.ProbeType {
			return // a worker buries the malformed ones
		}
		q := tasks.Queue{Priority: tasks.Priority(a.priority), Pool: a.pool}
		info, served := consumers[q]
		if !served {
			f.Unserved[a.pool]++
		} else if s.sequence <= info.Delivered.Stream {
			s.data = nil
			delivered[q] = append(delivered[q], s)
		}
	})
	if err != nil {
		return f, err
	}
	f.Cut = cut
	for q, messages := range delivered {
		if err := k.leftBehind(ctx, &f, consumers[q], messages); err != nil {
			return f, err
		}
	}
	return f, k.later(ctx, &f)
}

// Sample reads at most Sample messages of subject, and reports whether there
// were more.
func (k *Checkup) sample(ctx context.Context, subject string, fn func(stored)) (cut bool, err error) {
	n, bytes := 0, 0
	err = k.each(ctx, "TASKS", subject, func(s stored) bool {
		if n >= k.options.Sample || bytes > maxRead {
			cut = true
			return false
		}
		n, bytes = n+1, bytes+len(s.data)
		fn(s)
		return ctx.Err() == nil
	})
	return cut, err
}

func (k *Checkup) later(ctx context.Context, f *TaskFacts) error {
	cut, err := k.sample(ctx, k.ns.subject("tasks", "later", ">"), func(s stored) {
		f.Read++
		if header(s.header, jetstream.ScheduleHeader) == "" {
			f.UnscheduledCount++
			f.Unscheduled = k.list(f.Unscheduled, s, s.time)
		}
		if e, err := k.ns.open(s); err == nil && e.parked == tasks.ReasonUnknownType {
			f.Parked[e.Type]++
		}
	})
	f.Cut = f.Cut || cut
	return err
}

func (k *Checkup) list(found []Found, s stored, sign time.Time) []Found {
	if len(found) >= maxFound {
		return found
	}
	a, _ := k.ns.parse(s.subject)
	return append(found, Found{
		ID: a.id, Type: a.typ, Queue: tasks.Queue{Priority: tasks.Priority(a.priority), Pool: a.pool},
		Sequence: s.sequence, Age: time.Since(sign),
	})
}

// LeftBehind tells the messages that a consumer has delivered and that nobody
// holds: more are stored than are leased.
func (k *Checkup) leftBehind(ctx context.Context, f *TaskFacts, info *jetstream.ConsumerInfo, messages []stored) error {
	excess := len(messages) - info.NumAckPending
	if excess <= 0 {
		return nil
	}
	swept := sweepable(info)
	for _, s := range messages[:min(len(messages), maxLookup)] {
		if excess <= 0 {
			break
		}
		e, _ := k.ns.open(s)
		last, err := k.lastEvent(ctx, k.ns.Event(e.Type, e.ID), e.run)
		if err != nil && !errors.Is(err, errNoMessage) {
			return err
		}
		sign := s.time
		if last.Sequence == s.sequence {
			if last.State == tasks.Returned {
				continue // about to be delivered anew
			}
			sign = last.Time
		}
		switch {
		case s.sequence <= swept:
			excess--
			f.OrphansCount++
			f.Orphans = k.list(f.Orphans, s, sign)
		case time.Since(sign) > 3*info.Config.AckWait:
			f.Suspects = k.list(f.Suspects, s, sign)
		}
	}
	f.SuspectsCount += max(excess, 0)
	return nil
}

// DeadSince counts the dead letters that were stored since then, by reason, and
// reports whether there were more than the sample.
func (k *Checkup) DeadSince(ctx context.Context, since time.Time) (map[tasks.Reason]int, bool, error) {
	counts := map[tasks.Reason]int{}
	batch, err := jetstreamext.GetBatch(ctx, k.js, k.ns.Stream("DEAD"), k.options.Sample,
		jetstreamext.GetBatchSubject(k.ns.subject("dead", ">")), jetstreamext.GetBatchStartTime(since))
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", k.ns.Stream("DEAD"), err)
	}
	n := 0
	for m, err := range batch {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			break
		}
		if err != nil {
			return nil, false, fmt.Errorf("read %s: %w", k.ns.Stream("DEAD"), err)
		}
		n++
		counts[tasks.Reason(header(m.Header, HeaderReason))]++
	}
	return counts, n >= k.options.Sample, nil
}
