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
	"github.com/nats-io/nats.go/micro"

	"sparkle/tasks"
)

// Register makes a worker known as a NATS micro service, so that it is found by
// `sparkle worker ls` and `nats micro ls`, until ctx is done. Stats tells what
// the worker does at the moment; version is the program's.
func (c *Client) Register(ctx context.Context, version string, stats func() tasks.WorkerStats) error {
	first := stats()
	service, err := micro.AddService(c.nc, micro.Config{
		Name: c.serviceName(), Version: version, Description: "A worker of Sparkle's tasks.",
		Metadata: map[string]string{"worker": first.Name, "namespace": string(c.ns)},
	})
	if err != nil {
		return wrap("register", "worker "+first.Name, err)
	}
	err = service.AddEndpoint("stats", micro.HandlerFunc(func(r micro.Request) {
		_ = r.RespondJSON(stats()) // the asker is gone, or asks again
	}), micro.WithEndpointSubject(c.ns.subject("workers", "stats")), micro.WithEndpointQueueGroupDisabled())
	if err != nil {
		return errors.Join(wrap("register", "worker "+first.Name, err), service.Stop())
	}
	<-ctx.Done()
	if c.nc.IsClosed() {
		return nil
	}
	return wrap("unregister", "worker "+first.Name, service.Stop())
}

func (c *Client) serviceName() string { return string(c.ns) + "-worker" }

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
