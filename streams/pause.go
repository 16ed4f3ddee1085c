package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// PauseOptions says until when, why and by whom.
type PauseOptions struct {
	// Until ends the pause by itself. Zero: it lasts until it is resumed.
	Until time.Time
	// Reason is for people; at most [tasks.MaxNote] bytes.
	Reason string
	// By is who pauses; at most [tasks.MaxUser] bytes.
	By string
}

// A Pause stands in the control bucket while it lasts.
type Pause struct {
	PauseTarget
	Until  *time.Time `json:"until,omitempty"` // nil: until it is resumed
	Reason string     `json:"reason,omitempty"`
	By     string     `json:"by,omitempty"`
	Since  time.Time  `json:"since"`
}

// ParsePause reads an entry of the control bucket. What is paused is the key's to
// say; words of anybody that are too long or have control characters are dropped.
func parsePause(key string, value []byte) (Pause, error) {
	names := strings.Split(strings.TrimPrefix(key, pauseKind+"."), ".")
	if len(names) != 3 {
		return Pause{}, fmt.Errorf("read pause %q: want pause.<priority>.<pool>.<type>", key)
	}
	var p Pause
	if err := json.Unmarshal(value, &p); err != nil {
		return Pause{}, fmt.Errorf("read pause %q: want an object with until, reason, by and since: %w", key, err)
	}
	for i, name := range names {
		if name == anyName {
			names[i] = ""
		}
	}
	p.PauseTarget = PauseTarget{Priority: tasks.Priority(names[0]), Pool: names[1], Type: names[2]}
	if err := p.Check(); err != nil {
		return Pause{}, fmt.Errorf("read pause %q: %w", key, err)
	}
	if (tasks.CancelOptions{By: p.By, Reason: p.Reason}).Check() != nil {
		p.By, p.Reason = "", ""
	}
	return p, nil
}

// Lasts reports whether the pause is still on.
func (p Pause) lasts(now time.Time) bool { return p.Until == nil || now.Before(*p.Until) }

// Pause stops the delivery of the queues' tasks, or parks those of a type when
// their turn comes. Tasks that run go on, and so do the few that workers had
// leased ahead. It outlives restarts of the server and of workers, and a queue
// whose consumer is made anew is paused again. Pausing again replaces the pause.
func (c *Client) Pause(ctx context.Context, t PauseTarget, o PauseOptions) (Pause, error) {
	now := time.Now()
	p := Pause{PauseTarget: t, Reason: o.Reason, By: o.By, Since: now.UTC()}
	if !o.Until.IsZero() {
		until := o.Until.UTC()
		p.Until = &until
	}
	if err := p.check(now); err != nil {
		return Pause{}, fmt.Errorf("pause: %w", err)
	}
	body, err := json.Marshal(p)
	if err != nil {
		return Pause{}, fmt.Errorf("pause: %w", err)
	}
	m := nats.NewMsg("$KV." + c.ns.Stream("CONTROL") + "." + t.key())
	m.Data = body
	// Or an older pause of this target would stand again once this one expires.
	m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	if p.Until != nil {
		m.Header.Set(jetstream.MsgTTLHeader, (p.Until.Sub(now).Round(time.Second) + time.Second).String())
	}
	if err := c.publish(ctx, m); err != nil {
		return Pause{}, wrap("pause", t.String(), c.missing(err))
	}
	return p, wrap("pause", t.String(), c.repause(ctx, t))
}

func (p Pause) check(now time.Time) error {
	if err := p.Check(); err != nil {
		return err
	}
	if err := (tasks.CancelOptions{By: p.By, Reason: p.Reason}).Check(); err != nil {
		return err
	}
	if p.Until != nil && p.Until.Sub(now) < time.Second {
		return &tasks.InvalidError{Field: "until", Want: "want a time at least a second ahead"}
	}
	return nil
}

// Resume ends a pause of exactly this target. Queues that another pause covers
// stay paused by that. Of a type, the tasks that were parked are due at once;
// resumed says how many. Resuming what is not paused is no error.
func (c *Client) Resume(ctx context.Context, t PauseTarget) (resumed int, err error) {
	if err := t.Check(); err != nil {
		return 0, fmt.Errorf("resume: %w", err)
	}
	control, err := c.controlBucket(ctx)
	if err != nil {
		return 0, wrap("resume", t.String(), err)
	}
	if err := control.Purge(ctx, t.key()); err != nil {
		return 0, wrap("resume", t.String(), err)
	}
	if t.Type != "" {
		resumed, err = c.hurryParked(ctx, t.Type)
		return resumed, wrap("resume", t.String(), err)
	}
	return 0, wrap("resume", t.String(), c.repause(ctx, t))
}

// Pauses returns the pauses that are on, in the order of their keys.
func (c *Client) Pauses(ctx context.Context) ([]Pause, error) {
	control, err := c.controlBucket(ctx)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return []Pause{}, nil
	}
	if err != nil {
		return nil, err
	}
	watcher, err := control.Watch(ctx, controlKey(pauseKind, ">"))
	if err != nil {
		return nil, wrap("read", "the pauses", err)
	}
	defer func() { _ = watcher.Stop() }() // fails only when the connection is gone
	paused := map[string]Pause{}
	for {
		select {
		case <-ctx.Done():
			return nil, wrap("read", "the pauses", ctx.Err())
		case entry, ok := <-watcher.Updates():
			if ok && entry != nil {
				notePause(paused, entry)
				continue
			}
			return lasting(paused), nil
		}
	}
}

func lasting(paused map[string]Pause) []Pause {
	now := time.Now()
	list := []Pause{}
	for _, p := range paused {
		if p.lasts(now) {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b Pause) int { return strings.Compare(a.key(), b.key()) })
	return list
}

// NotePause takes a change of the control bucket into what is paused. An entry
// that makes no sense pauses nothing.
func notePause(paused map[string]Pause, entry jetstream.KeyValueEntry) {
	delete(paused, entry.Key())
	if entry.Operation() != jetstream.KeyValuePut {
		return
	}
	if p, err := parsePause(entry.Key(), entry.Value()); err == nil {
		paused[entry.Key()] = p
	}
}

// PausedTypes is what a worker is to know of it.
func pausedTypes(paused map[string]Pause) map[string]time.Time {
	types := map[string]time.Time{}
	for _, p := range paused {
		if p.Type == "" {
			continue
		}
		types[p.Type] = time.Time{}
		if p.Until != nil {
			types[p.Type] = *p.Until
		}
	}
	return types
}
