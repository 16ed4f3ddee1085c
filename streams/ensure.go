package streams

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrDestructive says that the server's topology differs in a way that only
// losing data could mend. Nothing was changed in that object.
var ErrDestructive = errors.New("change would lose data")

// ApplyOptions says how far [Client.Apply] goes.
type ApplyOptions struct {
	// Destructive makes the changes that could lose data too: a shorter
	// retention, fewer replicas, fewer subjects. Default: they are refused.
	Destructive bool
}

// Ensure reconciles the server with t: it creates what is missing and updates
// what differs, and may be called by any number of processes at once. It returns
// the changes. An object whose change could lose data, or cannot be made, is
// left as it is: then the error is [ErrDestructive].
func (c *Client) Ensure(ctx context.Context, t Topology) ([]Change, error) {
	return c.Apply(ctx, t, ApplyOptions{})
}

// Apply is as Ensure, and goes as far as o says. It never deletes a stream, a
// bucket or a consumer.
func (c *Client) Apply(ctx context.Context, t Topology, o ApplyOptions) ([]Change, error) {
	steps, err := c.plan(ctx, t)
	if err != nil {
		return nil, err
	}
	var changes []Change
	var refused []error
	for _, s := range steps {
		if s.do == nil || s.Action == Refused && !o.Destructive {
			refused = append(refused, fmt.Errorf("%s: %s: %w", s.Object, s.Reason, ErrDestructive))
			changes = append(changes, s.Change)
			continue
		}
		if s.Action == Refused {
			s.Action = Updated
		}
		if err := c.take(ctx, t, s); err != nil {
			return changes, err
		}
		changes = append(changes, s.Change)
	}
	return changes, errors.Join(refused...)
}

// Take makes a change. Where another process was first with a stream of other
// fields, as an older build is, that stream is planned anew.
func (c *Client) take(ctx context.Context, t Topology, s step) error {
	err := s.do(ctx)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		for _, o := range c.kept(t) {
			if o.label != s.Object {
				continue
			}
			again, planErr := c.planKept(ctx, o)
			if planErr != nil || again.Action != Updated {
				return planErr
			}
			err = again.do(ctx)
		}
	}
	verb := "update"
	if s.Action == Created {
		verb = "create"
	}
	return wrap(verb, s.Object, err)
}

// TakeConsumer makes a planned change of one queue's consumer.
func (c *Client) takeConsumer(ctx context.Context, s step) error {
	switch {
	case s.Action == "":
		return nil
	case s.do == nil:
		return fmt.Errorf("%s: %s: %w", s.Object, s.Reason, ErrDestructive)
	}
	return wrap("put in place", s.Object, s.do(ctx))
}

func wrap(verb, object string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", verb, object, err)
}
