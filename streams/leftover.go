package streams

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"sparkle/tasks"
)

// LaneSide is how many tasks of a lane are published side by side, where they are
// published one by one.
const laneSide = 16

// Each publishes the open tasks one by one, several side by side, and reports
// whether any was refused. Those of one id are published in their order.
func (l *lane) each(ctx context.Context, certain bool) bool {
	if len(l.open) == 0 {
		return false
	}
	var sides [laneSide][]sealed
	for i, s := range l.open {
		if s.chosen {
			i = int(maphash.String(l.seed, s.ID) >> 1)
		}
		sides[i%laneSide] = append(sides[i%laneSide], s)
	}
	var (
		refused, away atomic.Bool
		publishing    sync.WaitGroup
	)
	for _, side := range sides {
		publishing.Go(func() {
			for _, s := range side {
				err := l.one(ctx, s, s.sent && !certain, away.Load())
				if errors.Is(err, ErrWaiting) {
					refused.Store(true)
				}
				if !l.tell(BulkOutcome{Tag: s.tag, Receipt: s.receipt(), Err: err}) {
					away.Store(true)
				}
			}
		})
	}
	publishing.Wait()
	return refused.Load()
}

// One publishes a task by itself. Where the server is away, that was waited for
// once already.
func (l *lane) one(ctx context.Context, s sealed, uncertain, away bool) error {
	switch {
	case away && uncertain:
		return fmt.Errorf("publish %s %s: %w; it may have been stored", s.Type, s.ID, ErrUnreachable)
	case away, !s.sent && ctx.Err() != nil:
		return ErrNotTried
	}
	ctx = context.WithoutCancel(ctx)
	var err error
	if uncertain {
		_, err = l.publisher.restore(ctx, time.Now(), &s.envelope, s.message, nil)
	} else {
		_, err = l.publisher.store(ctx, &s.envelope, s.message)
	}
	switch {
	case err == nil:
		return nil
	case tooLarge(err):
		return errTooLarge
	}
	return fmt.Errorf("publish %s %s: %w", s.Type, s.ID, err)
}

var errTooLarge = &tasks.InvalidError{Field: "task", Want: "headers and payload are more than the server accepts"}
