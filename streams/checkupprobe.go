package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/oklog/ulid/v2"

	"sparkle/tasks"
)

// A ProbeEnd is how far a probe came.
type ProbeEnd string

// The ends of a probe.
const (
	ProbeRan       ProbeEnd = "ran"        // from end to end
	ProbeRefused   ProbeEnd = "refused"    // the server did not store it
	ProbeNotTaken  ProbeEnd = "not taken"  // no worker got it
	ProbeNoOutcome ProbeEnd = "no outcome" // a worker got it and stored nothing
	ProbeParked    ProbeEnd = "parked"     // a worker of another build got it
	ProbeFailed    ProbeEnd = "failed"     // it ended, but not well
)

// ProbeFacts is what became of a probe.
type ProbeFacts struct {
	Queue  tasks.Queue
	End    ProbeEnd
	Worker string // that ran it
	Took   time.Duration
	Err    error // where it was refused or has failed
}

// ProbeTTL removes a probe that its sender could not: a task must never vanish
// so, but a probe may.
const probeTTL = "60s"

// Probe sends a probe through a queue and waits for its result.
func (k *Checkup) Probe(ctx context.Context, q tasks.Queue) ProbeFacts {
	f := ProbeFacts{Queue: q}
	id := ulid.Make().String()
	defer k.cleanUp(ctx, id)
	heard := make(chan *nats.Msg, 16)
	sub, err := k.nc.ChanSubscribe(k.ns.Event(tasks.ProbeType, id), heard)
	if err != nil {
		f.End, f.Err = ProbeRefused, err
		return f
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is gone
	e := k.probe(id, q)
	m := e.message(k.ns)
	withHeader(m)
	m.Header.Set(jetstream.MsgTTLHeader, probeTTL)
	begun := time.Now()
	sequence, err := k.send(ctx, m)
	if err != nil {
		f.End, f.Err = ProbeRefused, err
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, k.options.Wait)
	defer cancel()
	k.hear(ctx, &f, heard)
	f.Took = time.Since(begun)
	if f.End == ProbeRan && !k.outcomeStored(ctx, id) {
		f.End = ProbeNoOutcome
	}
	if f.End == "" {
		f.End = k.missed(context.WithoutCancel(ctx), q, sequence)
	}
	return f
}

func (k *Checkup) probe(id string, q tasks.Queue) envelope {
	return envelope{attempt: 1, run: id, Task: tasks.Task{
		Type: tasks.ProbeType, ID: id, Priority: q.Priority, Pool: q.Pool, Payload: []byte("null"),
	}}
}

func (k *Checkup) send(ctx context.Context, m *nats.Msg) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, pubAckWait)
	defer cancel()
	ack, err := k.js.PublishMsg(ctx, m)
	if err != nil {
		return 0, k.explain(ctx, err, m.Subject)
	}
	return ack.Sequence, nil
}

// Hear waits for the first event that decides about the probe.
func (k *Checkup) hear(ctx context.Context, f *ProbeFacts, heard <-chan *nats.Msg) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-heard:
			e := parseEvent(stored{subject: m.Subject, header: m.Header, data: m.Data})
			f.Worker = e.Worker
			switch {
			case e.State == tasks.Succeeded:
				var result tasks.ProbeResult
				f.End = ProbeRan
				if json.Unmarshal(e.Result, &result) != nil || result.Worker == "" {
					f.End, f.Err = ProbeFailed, errors.New("the result names no worker")
				}
				return
			case e.State == tasks.Parked:
				f.End = ProbeParked
				return
			case e.State.Terminal():
				f.End, f.Err = ProbeFailed, fmt.Errorf("it is %s: %s", e.State, e.Detail.Error)
				return
			}
		}
	}
}

// OutcomeStored waits until the event that was heard is stored as well: it is heard
// even where the stream refuses it.
func (k *Checkup) outcomeStored(ctx context.Context, id string) bool {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		if e, err := k.lastEvent(ctx, k.ns.Event(tasks.ProbeType, id), id); err == nil && e.State.Terminal() {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-poll.C:
		}
	}
}

// Missed tells where a probe stands that nothing was heard of.
func (k *Checkup) missed(ctx context.Context, q tasks.Queue, sequence uint64) ProbeEnd {
	ctx, cancel := context.WithTimeout(ctx, pubAckWait)
	defer cancel()
	consumer, err := k.js.Consumer(ctx, k.ns.Stream("TASKS"), q.String())
	if err == nil && consumer.CachedInfo().Delivered.Stream >= sequence {
		return ProbeNoOutcome
	}
	return ProbeNotTaken
}

// SchedulePool has no consumer, so that a probe of the schedules needs no worker.
const schedulePool = tasks.ProbeType

const (
	scheduleAhead = 500 * time.Millisecond
	pollEvery     = 50 * time.Millisecond
)

// ProbeSchedule stores a schedule that is due in half a second and returns how
// late the server fired it. It answers [context.DeadlineExceeded] when it did
// not within Wait.
func (k *Checkup) ProbeSchedule(ctx context.Context) (time.Duration, error) {
	id := ulid.Make().String()
	defer k.cleanUp(ctx, id)
	e := k.probe(id, tasks.Queue{Priority: tasks.High, Pool: schedulePool})
	due := time.Now().Add(scheduleAhead)
	m := e.schedule(k.ns, due)
	m.Header.Set(jetstream.MsgTTLHeader, probeTTL)
	m.Header.Set(jetstream.ScheduleTTLHeader, probeTTL)
	if _, err := k.send(ctx, m); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, scheduleAhead+k.options.Wait)
	defer cancel()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("wait for the schedule to fire: %w", ctx.Err())
		case <-poll.C:
		}
		fired, err := k.leaderLast(ctx, "TASKS", k.ns.Ready(e.Task))
		if err == nil {
			return max(fired.time.Sub(due), 0), nil
		}
		if !errors.Is(err, errNoMessage) {
			return 0, err
		}
	}
}

// CleanUp removes what a probe left: its message, wherever it stands, and its
// events. What it cannot remove vanishes by itself.
func (k *Checkup) cleanUp(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pubAckWait)
	defer cancel()
	for kind, subject := range map[string]string{"TASKS": k.ns.Anywhere(id), "EVENTS": k.ns.Event(tasks.ProbeType, id)} {
		if stream, err := k.js.Stream(ctx, k.ns.Stream(kind)); err == nil {
			_ = stream.Purge(ctx, jetstream.WithPurgeSubject(subject))
		}
	}
}
