package streams

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// QueueFacts is how a queue's consumer moved during a look at it.
type QueueFacts struct {
	Queue   tasks.Queue
	Waiting uint64
	Leased  int
	Room    int // how many may be leased
	Pulls   int // open at the beginning and at the end
	Moved   bool
	Paused  time.Duration // for how long still; 0 when it is not
	Workers []string      // that serve it, of those that answer
	Free    int           // slots of these workers in which nothing runs
	AckWait time.Duration // of the consumer
}

// Full reports that as many tasks are leased as may be: the server then delivers
// no more, however many pulls are open.
func (f QueueFacts) Full() bool { return f.Leased >= f.Room }

// Stalled reports that the server could deliver and does not.
func (f QueueFacts) Stalled() bool {
	return f.Waiting > 0 && f.Pulls > 0 && !f.Moved && f.Paused == 0 && !f.Full()
}

// Queues looks at each queue, and again after watch where something waits and is
// pulled. It returns them by pool and priority.
func (k *Checkup) Queues(ctx context.Context, workers []tasks.WorkerStats, watch time.Duration) ([]QueueFacts, error) {
	before, err := k.consumers(ctx)
	if err != nil {
		return nil, err
	}
	after := before
	if moving(before) {
		pause(ctx, watch)
		if after, err = k.consumers(ctx); err != nil {
			return nil, err
		}
	}
	var list []QueueFacts
	for q, now := range after {
		then, known := before[q]
		if !known {
			then = now
		}
		f := QueueFacts{
			Queue: q, Waiting: min(then.NumPending, now.NumPending), Leased: now.NumAckPending, Room: now.Config.MaxAckPending,
			Pulls: min(then.NumWaiting, now.NumWaiting), Paused: now.PauseRemaining, AckWait: now.Config.AckWait,
			Moved: !known || then.Delivered.Consumer != now.Delivered.Consumer,
		}
		for _, w := range workers {
			if slices.Contains(w.Queues, q.String()) {
				f.Workers = append(f.Workers, w.Name)
				f.Free += max(w.Slots-len(w.Running), 0)
			}
		}
		list = append(list, f)
	}
	sortQueues(list)
	return list, nil
}

// Moving reports that some queue has both tasks and pulls, so that it should move.
func moving(consumers map[tasks.Queue]*jetstream.ConsumerInfo) bool {
	for _, info := range consumers {
		if info.NumPending > 0 && info.NumWaiting > 0 {
			return true
		}
	}
	return false
}

func sortQueues(list []QueueFacts) {
	order := tasks.Priorities()
	slices.SortFunc(list, func(a, b QueueFacts) int {
		if n := strings.Compare(a.Queue.Pool, b.Queue.Pool); n != 0 {
			return n
		}
		return slices.Index(order, a.Queue.Priority) - slices.Index(order, b.Queue.Priority)
	})
}
