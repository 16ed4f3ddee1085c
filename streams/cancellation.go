package streams

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"sparkle/tasks"
)

// A cancellation is what workers are told: some runs, by whom and why. It is an
// entry of the control bucket and the body of a signal.
type cancellation struct {
	By     string      `json:"by,omitempty"`
	Reason string      `json:"reason,omitempty"`
	Runs   []cancelled `json:"runs"`
}

type cancelled struct {
	ID  string `json:"id"`
	Run string `json:"run"`
}

const (
	maxRuns   = 500              // of one cancellation
	cancelTTL = "1h"             // of its entry; workers remember it as long
	cancelTry = 30 * time.Second // to get it stored
)

// ParseCancellation reads what anybody may have written: runs whose names are
// none are left out, and those beyond maxRuns.
func parseCancellation(data []byte) ([]tasks.Cancellation, error) {
	var c cancellation
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("decode a cancellation: want an object with runs: %w", err)
	}
	if err := (tasks.CancelOptions{By: c.By, Reason: c.Reason}).Check(); err != nil {
		return nil, fmt.Errorf("decode a cancellation: %w", err)
	}
	list := make([]tasks.Cancellation, 0, min(len(c.Runs), maxRuns))
	for _, r := range c.Runs[:min(len(c.Runs), maxRuns)] {
		if tasks.ValidName(r.ID) && r.Run != "" {
			list = append(list, tasks.Cancellation{ID: r.ID, Run: r.Run, By: c.By, Reason: c.Reason})
		}
	}
	return list, nil
}

// Announce puts a cancellation into the control bucket, from where every worker
// process has it within milliseconds, and those that were away once they are
// back.
func (c *Client) announce(ctx context.Context, body []byte) error {
	m := nats.NewMsg("$KV." + c.ns.Stream("CONTROL") + "." + controlKey(cancelKind, nuid.Next()))
	m.Data = body
	m.Header.Set(jetstream.MsgTTLHeader, cancelTTL)
	return c.retry(ctx, func() error { return c.publish(ctx, m) })
}

// A stopping is a worker's answer to a signal.
type stopping struct {
	Worker string          `json:"worker"`
	Held   []tasks.Stopped `json:"held"`
}

const signalWait = time.Second

// Signal tells all workers and collects what they say they had of the awaited
// runs, until it is known of each or signalWait is over. It maps runs to workers'
// answers.
func (c *Client) signal(ctx context.Context, body []byte, awaited map[cancelled]bool) (map[cancelled]holder, error) {
	inbox := c.nc.NewInbox()
	sub, err := c.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("signal the workers: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is gone
	if err := c.nc.PublishRequest(c.ns.subject("workers", "cancel"), inbox, body); err != nil {
		return nil, fmt.Errorf("signal the workers: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, signalWait)
	defer cancel()
	held := map[cancelled]holder{}
	for len(held) < len(awaited) {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			break // nobody listens, or nobody else does
		}
		var answer stopping
		if json.Unmarshal(m.Data, &answer) != nil {
			continue
		}
		for _, h := range answer.Held {
			if key := (cancelled{h.ID, h.Run}); awaited[key] {
				held[key] = holder{answer.Worker, h.Settling}
			}
		}
	}
	return held, nil
}

// A holder is the worker that had a run when it was cancelled.
type holder struct {
	worker   string
	settling bool
}
