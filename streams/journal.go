package streams

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

// A journal stores events. Those that come while others are on their way are
// stored together, as one batch of the server's fast ingest: the server answers
// once for all of them, so an event costs the less the more there are. Its
// goroutine lives as long as there is something to store.
type journal struct {
	js jetstream.JetStream

	mu      sync.Mutex
	next    *group // those that wait; nil when none does
	writing bool
}

// A group is events that are stored together.
type group struct {
	messages []*nats.Msg
	settled  chan struct{} // closed when each is stored or refused
	errors   []error       // why one was not stored; nil when all were
}

const (
	fewEvents = 8   // up to so many are faster one by one
	eventFlow = 500 // how many the server acknowledges at a time, at most
)

// Add stores m and returns when the server has it. An error means that it may
// have been stored all the same; to store it again does no harm.
func (j *journal) add(ctx context.Context, m *nats.Msg) error {
	j.mu.Lock()
	if j.next == nil {
		j.next = &group{settled: make(chan struct{})}
	}
	own, place := j.next, len(j.next.messages)
	own.messages = append(own.messages, m)
	if !j.writing {
		j.writing = true
		go j.write()
	}
	j.mu.Unlock()
	select {
	case <-own.settled:
		if own.errors != nil {
			return own.errors[place]
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Write stores group after group. Where a batch fails its events are stored one
// by one, so that nobody is refused for another's sake.
func (j *journal) write() {
	for g := j.take(); g != nil; g = j.take() {
		if len(g.messages) <= fewEvents || j.storeAll(g.messages) != nil {
			g.errors = j.storeEach(g.messages)
		}
		close(g.settled)
	}
}

func (j *journal) take() *group {
	j.mu.Lock()
	defer j.mu.Unlock()
	g := j.next
	j.next, j.writing = nil, g != nil
	return g
}

func (j *journal) storeEach(messages []*nats.Msg) []error {
	failed := make([]error, len(messages))
	futures := make([]jetstream.PubAckFuture, len(messages))
	for i, m := range messages {
		m.Reply = "" // of the batch that failed
		futures[i], failed[i] = j.js.PublishMsgAsync(m)
	}
	for i, future := range futures {
		if failed[i] != nil {
			continue
		}
		select {
		case <-future.Ok():
		case failed[i] = <-future.Err():
		}
	}
	return failed
}

// StoreAll stores a batch of fast ingest: its last message commits it, and the
// answer to that says how many are stored.
func (j *journal) storeAll(messages []*nats.Msg) error {
	var broken error // written before the commit is answered
	batch, err := jetstreamext.NewFastPublisher(j.js,
		jetstreamext.FastPublishFlowControl{Flow: eventFlow, AckTimeout: pubAckWait},
		jetstreamext.WithFastPublisherErrorHandler(func(err error) { broken = err }))
	if err != nil {
		return err
	}
	last := len(messages) - 1
	for _, m := range messages[:last] {
		if _, err := batch.AddMsg(m); err != nil {
			return errors.Join(err, abandon(batch))
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), pubAckWait)
	defer cancel()
	ack, err := batch.CommitMsg(ctx, messages[last])
	switch {
	case err != nil:
		return err
	case broken != nil:
		return broken
	case ack.BatchSize != uint64(len(messages)):
		return fmt.Errorf("%d of %d events are stored", ack.BatchSize, len(messages))
	}
	return nil
}

// Abandon ends a batch without waiting, so that its subscription ends too.
func abandon(batch jetstreamext.FastPublisher) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := batch.Close(ctx)
	if errors.Is(err, context.Canceled) || errors.Is(err, jetstreamext.ErrBatchClosed) {
		return nil
	}
	return err
}
