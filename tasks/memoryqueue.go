package tasks

import (
	"container/list"
	"context"
	"slices"
)

// A memoryQueue holds the runs of a [Memory] that wait in one queue, by place.
// The Memory's mutex guards it.
type memoryQueue struct {
	waiting list.List
	taps    []*memoryTap
}

// Add puts a run where its place is, which is at an end of the queue or near it.
func (q *memoryQueue) add(r *memoryRun) {
	if last := q.waiting.Back(); last == nil || runOf(last).place < r.place {
		r.waits = q.waiting.PushBack(r)
	} else {
		next := q.waiting.Front()
		for runOf(next).place < r.place {
			next = next.Next()
		}
		r.waits = q.waiting.InsertBefore(r, next)
	}
	for _, t := range q.taps {
		if t.want > 0 {
			t.signal()
		}
	}
}

func (q *memoryQueue) take() *memoryRun {
	first := q.waiting.Front()
	if first == nil {
		return nil
	}
	r := runOf(first)
	q.waiting.Remove(first)
	r.waits = nil
	return r
}

func runOf(e *list.Element) *memoryRun {
	return e.Value.(*memoryRun)
}

// A memoryTap is a [Tap] of a [Memory]. The Memory's mutex guards want.
type memoryTap struct {
	memory  *Memory
	queue   *memoryQueue
	deliver func(*Delivery)
	want    int
	stopped bool
	wake    chan struct{} // has one element when there may be something to deliver
	stop    chan struct{} // closed by Drain
	ended   chan struct{} // closed when the goroutine has ended
}

// Run delivers what waits as far as it is wanted, until ctx is done or the tap
// is drained.
func (t *memoryTap) run(ctx context.Context) {
	defer close(t.ended)
	defer t.close()
	for {
		for d := t.next(ctx); d != nil; d = t.next(ctx) {
			t.deliver(d)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.stop:
			return
		case <-t.wake:
		}
	}
}

func (t *memoryTap) next(ctx context.Context) *Delivery {
	t.memory.mu.Lock()
	defer t.memory.mu.Unlock()
	if t.want <= 0 || t.stopped || ctx.Err() != nil {
		return nil
	}
	r := t.queue.take()
	if r == nil {
		return nil
	}
	t.want--
	return r.hold()
}

func (t *memoryTap) close() {
	t.memory.mu.Lock()
	defer t.memory.mu.Unlock()
	t.queue.taps = slices.DeleteFunc(t.queue.taps, func(other *memoryTap) bool { return other == t })
}

// Want implements [Tap].
func (t *memoryTap) Want(n int) {
	t.memory.mu.Lock()
	defer t.memory.mu.Unlock()
	t.want = n
	t.signal()
}

// Drain implements [Tap].
func (t *memoryTap) Drain(ctx context.Context) error {
	t.memory.mu.Lock()
	if !t.stopped {
		t.stopped = true
		close(t.stop)
	}
	t.memory.mu.Unlock()
	select {
	case <-t.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *memoryTap) signal() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}
