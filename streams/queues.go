package streams

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// A QueueInfo is the state of one queue.
type QueueInfo struct {
	Priority tasks.Priority `json:"priority"`
	Pool     string         `json:"pool"`
	// Waiting tasks are ready and not delivered; Running ones are delivered and
	// not settled, prefetched ones included; Scheduled ones are delayed,
	// retrying or parked.
	Waiting   uint64 `json:"waiting"`
	Scheduled uint64 `json:"scheduled"`
	Running   int    `json:"running"`
	// OldestSeconds is the age of the oldest waiting task.
	OldestSeconds float64 `json:"oldest_seconds"`
	Dead          uint64  `json:"dead"`
	Paused        bool    `json:"paused"`
	// Pause is the longest that covers the queue; nil when it is not paused, or
	// by somebody who stored nothing.
	Pause *Pause `json:"pause,omitempty"`
}

// Queues returns the state of every queue that has a consumer, highest priority
// first, as the leaders of the consumers know it.
func (c *Client) Queues(ctx context.Context) ([]QueueInfo, error) {
	consumers, err := c.consumers(ctx)
	if err != nil {
		return nil, err
	}
	pauses, err := c.Pauses(ctx)
	if err != nil {
		return nil, err
	}
	queues := []QueueInfo{}
	for q, info := range consumers {
		queue, err := c.queue(ctx, q, info)
		if err != nil {
			return nil, err
		}
		if queue.Paused {
			queue.Pause = covering(pauses, q)
		}
		queues = append(queues, queue)
	}
	order := tasks.Priorities()
	slices.SortFunc(queues, func(a, b QueueInfo) int {
		return cmp.Or(slices.Index(order, a.Priority)-slices.Index(order, b.Priority), strings.Compare(a.Pool, b.Pool))
	})
	return queues, nil
}

// Consumers returns what the leader of each queue's consumer knows.
func (c *Client) consumers(ctx context.Context) (map[tasks.Queue]*jetstream.ConsumerInfo, error) {
	stream, err := c.js.Stream(ctx, c.ns.Stream("TASKS"))
	if err != nil {
		return nil, c.missing(err)
	}
	found := map[tasks.Queue]*jetstream.ConsumerInfo{}
	list := stream.ListConsumers(ctx)
	for info := range list.Info() { // to its end, or its goroutine would stay
		rest, ok := strings.CutPrefix(info.Config.FilterSubject, c.ns.subject("tasks", "ready")+".")
		if ok {
			priority, pool, _ := strings.Cut(strings.TrimSuffix(rest, ".>"), ".")
			found[tasks.Queue{Priority: tasks.Priority(priority), Pool: pool}] = info
		}
	}
	return found, list.Err()
}

func (c *Client) queue(ctx context.Context, q tasks.Queue, info *jetstream.ConsumerInfo) (QueueInfo, error) {
	queue := QueueInfo{
		Priority: q.Priority, Pool: q.Pool, Waiting: info.NumPending, Running: info.NumAckPending, Paused: info.Paused,
	}
	var err error
	if queue.Scheduled, err = c.count(ctx, "TASKS", c.ns.subject("tasks", "later", string(q.Priority), q.Pool, "*", "*")); err != nil {
		return queue, err
	}
	if queue.Dead, err = c.count(ctx, "DEAD", c.ns.subject("dead", string(q.Priority), q.Pool, "*", "*")); err != nil {
		return queue, err
	}
	if queue.Waiting == 0 {
		return queue, nil
	}
	oldest, err := c.leaderNext(ctx, "TASKS", info.Config.FilterSubject, info.Delivered.Stream+1)
	if errors.Is(err, errNoMessage) {
		return queue, nil
	}
	queue.OldestSeconds = time.Since(oldest.time).Seconds()
	return queue, err
}

// Count returns how many messages of subject a stream holds.
func (c *Client) count(ctx context.Context, kind, subject string) (uint64, error) {
	stream, err := c.js.Stream(ctx, c.ns.Stream(kind))
	if err != nil {
		return 0, c.missing(err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return 0, wrap("count", subject, err)
	}
	total := uint64(0)
	for _, n := range info.State.Subjects {
		total += n
	}
	return total, nil
}

// ErrNoTopology says that the server has none of the namespace's streams.
var ErrNoTopology = errors.New("no Sparkle topology on this server")

func (c *Client) missing(err error) error {
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return wrap("namespace", string(c.ns), errors.Join(ErrNoTopology, err))
	}
	return err
}
