package streams

import (
	"context"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

// A journal stores events. Those that come while others are on their way are
// stored together, as one batch of the server's fast ingest: the server then
// answers once for all of them, and an event costs less the more there are. It
// owns no goroutine; of those that wait, the first does the work for all.
type journal struct {
	js jetstream.JetStream

	mu      sync.Mutex
	waiting []*entry
	writing bool
}

// An entry is an event on its way.
type entry struct {
	message *nats.Msg
	stored  chan error
}

const (
	fewEntries  = 8   // up to so many are faster one by one
	mostEntries = 500 // in one batch
)

// Add stores m and returns when the server has it. An error means that it may
// have been stored all the same; to store it again does no harm.
func (j *journal) add(ctx context.Context, m *nats.Msg) error {
	own := &entry{m, make(chan error, 1)}
	j.mu.Lock()
	j.waiting = append(j.waiting, own)
	leads := !j.writing
	j.writing = true
	j.mu.Unlock()
	if leads {
		j.write()
	}
	select {
	case err := <-own.stored:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Write stores what waits. What comes meanwhile is left to a goroutine of its
// own, so that nobody works for others longer than for himself.
func (j *journal) write() {
	j.mu.Lock()
	batch := j.waiting
	if len(batch) > mostEntries {
		batch = batch[:mostEntries:mostEntries]
	}
	j.waiting = j.waiting[len(batch):]
	j.mu.Unlock()
	j.store(batch)
	j.mu.Lock()
	j.writing = len(j.waiting) > 0
	more := j.writing
	j.mu.Unlock()
	if more {
		go j.write()
	}
}

func (j *journal) store(batch []*entry) {
	if len(batch) <= fewEntries {
		j.storeEach(batch)
		return
	}
	err := j.storeAll(batch)
	for _, e := range batch {
		e.stored <- err
	}
}

// StoreEach is for few: each is answered for itself.
func (j *journal) storeEach(batch []*entry) {
	futures := make([]jetstream.PubAckFuture, len(batch))
	for i, e := range batch {
		e.message.Reply = "" // of an earlier batch
		future, err := j.js.PublishMsgAsync(e.message)
		if err != nil {
			e.stored <- err
			continue
		}
		futures[i] = future
	}
	for i, future := range futures {
		if future == nil {
			continue
		}
		select {
		case <-future.Ok():
			batch[i].stored <- nil
		case err := <-future.Err():
			batch[i].stored <- err
		}
	}
}

// StoreAll stores a batch of fast ingest: its last message commits it, and the
// answer to that says that every one is stored.
func (j *journal) storeAll(batch []*entry) error {
	var broken error
	publisher, err := jetstreamext.NewFastPublisher(j.js,
		jetstreamext.FastPublishFlowControl{Flow: mostEntries, AckTimeout: pubAckWait},
		jetstreamext.WithFastPublisherErrorHandler(func(err error) { broken = err }))
	if err != nil {
		return err
	}
	last := len(batch) - 1
	for _, e := range batch[:last] {
		if _, err := publisher.AddMsg(e.message); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), pubAckWait)
	defer cancel()
	ack, err := publisher.CommitMsg(ctx, batch[last].message)
	switch {
	case err != nil:
		return err
	case broken != nil: // told before the commit was answered
		return broken
	case ack.BatchSize != uint64(len(batch)):
		return fmt.Errorf("%d of %d events are stored", ack.BatchSize, len(batch))
	}
	return nil
}
