package tasks

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// MemoryOptions configures a [Memory]; the zero value works.
type MemoryOptions struct {
	// AckWait is how long a leased task may go unextended before it is delivered
	// again. Default 12 s.
	AckWait time.Duration
	// Registry gives tasks the priority and the pool of their type, and refuses
	// unknown types and payloads that do not fit. Default none: tasks are taken
	// unchecked, as default-main where they name no queue.
	Registry *Registry
	// MaxTasks that have not ended; more are refused with [ErrFull]. Default
	// 100,000.
	MaxTasks int
	// MaxEnded is how many ended ids keep their events. Default 1,000.
	MaxEnded int
	// MaxDead is how many dead letters are kept. Default 1,000.
	MaxDead int
}

// A Memory is a [Source] in process: the queues, leases, events and dead letters
// of a program that wants no server. What it holds is gone with the process. Its
// methods are safe for concurrent use. It owns one goroutine for each open tap,
// which ends with the tap.
type Memory struct {
	options MemoryOptions

	mu      sync.Mutex
	queues  map[Queue]*memoryQueue
	live    map[string]*memoryRun // by id
	places  uint64                // handed out in the queues
	workers map[*Worker]struct{}  // that listen
	past    memoryPast
}

// NewMemory returns an empty Memory.
func NewMemory(o MemoryOptions) *Memory {
	o.AckWait = positive(o.AckWait, 12*time.Second)
	o.MaxTasks = positive(o.MaxTasks, 100_000)
	o.MaxEnded = positive(o.MaxEnded, 1_000)
	o.MaxDead = positive(o.MaxDead, 1_000)
	return &Memory{
		options: o, queues: map[Queue]*memoryQueue{}, live: map[string]*memoryRun{}, workers: map[*Worker]struct{}{},
		past: newMemoryPast(o.MaxEnded, o.MaxDead),
	}
}

func positive[T int | time.Duration](value, fallback T) T {
	if value <= 0 {
		return fallback
	}
	return value
}

// Publish takes a task and returns its id and run. It refuses with [ErrWaiting]
// an id that has not ended, with [ErrFull] more than MaxTasks, and with an
// [*InvalidError] what no worker could run.
func (m *Memory) Publish(ctx context.Context, t Task) (id, run string, err error) {
	if err := ctx.Err(); err != nil {
		return "", "", fmt.Errorf("publish %s: %w", clip(t.Type), err)
	}
	if t, err = m.complete(t); err != nil {
		return "", "", fmt.Errorf("publish %s: %w", clip(t.Type), err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.live[t.ID] != nil:
		return "", "", fmt.Errorf("publish %s: %w", t.ID, ErrWaiting)
	case len(m.live) >= m.options.MaxTasks:
		return "", "", fmt.Errorf("publish %s: %w", t.ID, ErrFull)
	}
	r := &memoryRun{
		Task: t, memory: m, queue: m.queue(Queue{t.Priority, t.Pool}),
		run: ulid.Make().String(), attempt: 1,
	}
	m.live[t.ID] = r
	m.past.revive(t.ID)
	r.delay(t.At)
	return t.ID, r.run, nil
}

// Complete checks a task and fills in what it leaves to its type.
func (m *Memory) complete(t Task) (Task, error) {
	if err := t.Check(); err != nil {
		return t, err
	}
	priority, pool := Default, MainPool
	if m.options.Registry != nil {
		if err := m.options.Registry.Check(t); err != nil {
			return t, err
		}
		known, _ := m.options.Registry.Lookup(t.Type)
		priority, pool = known.Priority, known.Pool
	}
	t.Priority, t.Pool = cmp.Or(t.Priority, priority), cmp.Or(t.Pool, pool)
	if t.ID == "" {
		t.ID = ulid.Make().String()
	}
	t.Payload, t.Headers = bytes.Clone(t.Payload), maps.Clone(t.Headers)
	return t, nil
}

// Open implements [Source].
func (m *Memory) Open(ctx context.Context, q Queue, deliver func(*Delivery)) (Tap, error) {
	t := &memoryTap{
		memory: m, deliver: deliver,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t.queue = m.queue(q)
	t.queue.taps = append(t.queue.taps, t)
	go t.run(ctx)
	return t, nil
}

// Queue returns a queue, made when it is named first.
func (m *Memory) queue(name Queue) *memoryQueue {
	q := m.queues[name]
	if q == nil {
		q = &memoryQueue{}
		m.queues[name] = q
	}
	return q
}

// Hurry makes a task ready now that is scheduled, retrying or parked. It reports
// whether there was one.
func (m *Memory) Hurry(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.live[id]
	if r == nil || r.lease != nil || r.waits != nil {
		return false
	}
	r.delay(time.Time{})
	return true
}

// Events returns what happened to an id, oldest first: of a run that lives, and
// of ended ones as long as they are kept.
func (m *Memory) Events(id string) []Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.past.events[id])
}

// DeadLetters returns the dead letters that are kept, oldest first.
func (m *Memory) DeadLetters() []DeadLetter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.past.dead)
}
