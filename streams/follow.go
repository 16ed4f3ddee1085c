package streams

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// Follow calls fn for the stored events of a task, oldest first and of all its
// runs, and then for each new one as it comes, until fn returns false or ctx is
// done, which yields ctx's error. Each event comes once and in the order of the
// stream, also over a lost connection: an ordered consumer sees to it, whose
// 50 ms to begin do not count for who watches.
func (c *Client) Follow(ctx context.Context, id string, fn func(Event) bool) error {
	if !tasks.ValidName(id) {
		return fmt.Errorf("follow %q: not a task's id", id)
	}
	consumer, err := c.js.OrderedConsumer(ctx, c.ns.Stream("EVENTS"), jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{c.ns.Event("*", id)}, InactiveThreshold: 30 * time.Second,
	})
	if err != nil {
		return wrap("follow", id, c.missing(err))
	}
	messages, err := consumer.Messages()
	if err != nil {
		return wrap("follow", id, err)
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return wrap("follow", id, err)
		}
		s := stored{subject: m.Subject(), header: m.Headers(), data: m.Data()}
		if meta, err := m.Metadata(); err == nil {
			s.sequence, s.time = meta.Sequence.Stream, meta.Timestamp
		}
		if !fn(parseEvent(s)) {
			return nil
		}
	}
}
