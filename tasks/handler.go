package tasks

import (
	"context"
	"encoding/json"
)

// A Handler runs one attempt of a task: it returns the result as JSON, or an
// error. nil = done, any error = retry, [Permanent] = dead letter; see also
// [RetryAfter] and [Snooze]. It must end soon after its context is done. It may
// run more than once for one task, so its effects must be idempotent by
// [Delivery].Run.
type Handler func(ctx context.Context, d *Delivery) (json.RawMessage, error)

// A Middleware wraps a handler.
type Middleware func(Handler) Handler

type deliveryKey struct{}

// Current returns the delivery that ctx's handler works on, nil outside of one.
// It must not be changed.
func Current(ctx context.Context) *Delivery {
	a, _ := ctx.Value(deliveryKey{}).(*attempt)
	if a == nil {
		return nil
	}
	return a.Delivery
}
