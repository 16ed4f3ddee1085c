package streams

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"sparkle/tasks"
)

// A Verb is what a worker is told to do.
type Verb string

// The verbs.
const (
	Scale      Verb = "scale"  // have so many slots
	Drain      Verb = "drain"  // take no more tasks
	ResumeWork Verb = "resume" // take tasks again
)

// An Order steers a worker while it runs.
type Order struct {
	Verb Verb `json:"verb"`
	// Slots to have, 1 to [tasks.MaxSlots], when Verb is scale.
	Slots int `json:"slots,omitempty"`
}

// Check reports the first field that is wrong, as an [*tasks.InvalidError].
func (o Order) Check() error {
	switch {
	case o.Verb != Scale && o.Verb != Drain && o.Verb != ResumeWork:
		return &tasks.InvalidError{Field: "verb", Want: "want scale, drain or resume"}
	case o.Verb == Scale && (o.Slots < 1 || o.Slots > tasks.MaxSlots):
		return &tasks.InvalidError{Field: "slots", Want: fmt.Sprintf("%d is not within 1 to %d", o.Slots, tasks.MaxSlots)}
	}
	return nil
}

// A Steered is a worker's answer to an order.
type Steered struct {
	Worker string   `json:"worker"`
	Before Standing `json:"before"`
	After  Standing `json:"after"`
	Error  string   `json:"error,omitempty"`
}

// A Standing is what an order can change.
type Standing struct {
	Slots    int  `json:"slots"`
	Draining bool `json:"draining"`
}

func standing(s tasks.WorkerStats) Standing { return Standing{Slots: s.Slots, Draining: s.Draining} }

// Steer gives an order to the worker of that name and returns its answer. It
// answers [ErrNotFound] when no worker of the name listens. Of several workers
// with one name all obey, and the first one's answer is returned.
func (c *Client) Steer(ctx context.Context, worker string, o Order) (Steered, error) {
	if err := o.Check(); err != nil {
		return Steered{}, fmt.Errorf("steer worker %s: %w", worker, err)
	}
	body, err := json.Marshal(o)
	if err != nil {
		return Steered{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, orderWait)
	defer cancel()
	m, err := c.nc.RequestWithContext(ctx, c.ns.orders(worker), body)
	if errors.Is(err, nats.ErrNoResponders) {
		return Steered{}, &WorkerNotFoundError{Worker: worker}
	}
	if err != nil {
		return Steered{}, wrap("steer", "worker "+worker, err)
	}
	var answer Steered
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return Steered{}, fmt.Errorf("decode the answer of worker %s: %w", worker, err)
	}
	if answer.Error != "" {
		return answer, fmt.Errorf("%s worker %s: it answers: %s", o.Verb, worker, answer.Error)
	}
	return answer, nil
}

// A WorkerNotFoundError says that no worker of a name listens.
type WorkerNotFoundError struct{ Worker string }

func (e *WorkerNotFoundError) Error() string { return fmt.Sprintf("no worker %s answers", e.Worker) }

// Workers asks all workers what they do and returns the answers that come within
// wait, by name. It returns early when the server says that there are none.
func (c *Client) Workers(ctx context.Context, wait time.Duration) ([]tasks.WorkerStats, error) {
	inbox := c.nc.NewInbox()
	sub, err := c.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("ask the workers: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is gone
	if err := c.nc.PublishRequest(c.ns.subject("workers", "stats"), inbox, nil); err != nil {
		return nil, fmt.Errorf("ask the workers: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	workers := []tasks.WorkerStats{}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("ask the workers: %w", err)
		}
		var stats tasks.WorkerStats
		if json.Unmarshal(m.Data, &stats) == nil && stats.Name != "" {
			workers = append(workers, stats)
		}
	}
	slices.SortFunc(workers, func(a, b tasks.WorkerStats) int { return cmp.Compare(a.Name, b.Name) })
	return workers, nil
}
