package streams

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// Sweeps sweeps each SweepEvery, and blobs each hour, one mover of all at a time:
// whoever updates the control bucket's entry first.
func (m *Mover) sweeps(ctx context.Context) {
	for ctx.Err() == nil {
		due, err := m.claimSweep(ctx, sweepKey, m.options.SweepEvery)
		if err == nil && due {
			err = m.Sweep(ctx)
		}
		if err != nil && ctx.Err() == nil {
			m.options.Log.Warn().Err(err).Msg("sweep not finished")
		}
		due, err = m.claimSweep(ctx, controlKey(sweepKey, "blob"), blobSweepEvery)
		if err == nil && due {
			err = m.SweepBlobs(ctx, time.Now())
		}
		if err != nil && ctx.Err() == nil {
			m.options.Log.Warn().Err(err).Msg("sweep of blobs not finished")
		}
		// Uneven steps keep the movers of a fleet apart.
		pause(ctx, m.options.SweepEvery/4+rand.N(m.options.SweepEvery/4))
	}
}

// ClaimSweep reports whether a sweep is due, and makes it this mover's.
func (m *Mover) claimSweep(ctx context.Context, key string, every time.Duration) (bool, error) {
	control, err := m.controlBucket(ctx)
	if err != nil {
		return false, err
	}
	entry, err := control.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		_, err = control.Create(ctx, key, nil)
		return err == nil, ignore(err, jetstream.ErrKeyExists)
	}
	if err != nil || time.Since(entry.Created()) < every {
		return false, err
	}
	_, err = control.Update(ctx, key, nil, entry.Revision())
	if refused(err) || errors.Is(err, jetstream.ErrKeyExists) {
		return false, nil
	}
	return err == nil, err
}

func ignore(err, known error) error {
	if errors.Is(err, known) {
		return nil
	}
	return err
}

// Sweep buries the tasks that the server gave up and whose advisory was lost:
// stored, below what a consumer has delivered, and held by nobody.
func (m *Mover) Sweep(ctx context.Context) error {
	consumers, err := m.consumers(ctx)
	if err != nil {
		return err
	}
	for _, info := range consumers {
		if err := m.sweepQueue(ctx, info); err != nil {
			return err
		}
	}
	return nil
}

// Sweepable is the sequence up to which nobody can hold what is stored: the ack
// floor, or the last delivery where nothing is pending, for with only dead
// messages the floor stays at 0.
func sweepable(info *jetstream.ConsumerInfo) uint64 {
	if info.NumAckPending == 0 {
		return info.Delivered.Stream
	}
	return info.AckFloor.Stream
}

func (m *Mover) sweepQueue(ctx context.Context, info *jetstream.ConsumerInfo) error {
	bound := sweepable(info)
	var orphans []uint64
	if bound == 0 {
		return nil
	}
	err := m.each(ctx, "TASKS", info.Config.FilterSubject, func(s stored) bool {
		if s.sequence > bound {
			return false
		}
		orphans = append(orphans, s.sequence)
		return true
	})
	if err != nil {
		return err
	}
	for _, sequence := range orphans {
		if err := m.moveOrphan(ctx, sequence, info.Config.MaxDeliver); err != nil {
			return err
		}
	}
	return nil
}

// MoveOrphan spares what is about to be delivered anew: a message handed back.
func (m *Mover) moveOrphan(ctx context.Context, sequence uint64, deliveries int) error {
	l, found, err := m.find(ctx, sequence, deliveries)
	if err != nil || !found {
		return err
	}
	last, err := m.lastEvent(ctx, m.ns.Event(l.Type, l.ID), l.run)
	if err == nil && last.State == tasks.Returned && last.Sequence == sequence {
		return nil
	}
	return m.resolve(ctx, l)
}
