package streams

import (
	"cmp"
	"context"
	"fmt"

	"sparkle/tasks"
)

// MatchingOptions says how the tasks that match are cancelled.
type MatchingOptions struct {
	// By and Reason are those of [tasks.CancelOptions].
	By, Reason string
	// Unstarted leaves out what a worker was given, running or leased ahead.
	Unstarted bool
	// DryRun changes nothing and counts.
	DryRun bool
	// Progress is told after each step how many there are so far. Default none.
	Progress func(n int)
}

// CancelMatching cancels the tasks that match and have not ended, oldest first
// and each as [Client.Cancel] does, and returns how many. It goes through the
// queues once, some hundred tasks at a time; what is published after it began is
// left alone. An error leaves the rest as it is; another call goes on.
func (c *Client) CancelMatching(ctx context.Context, f ListFilter, o MatchingOptions) (int, error) {
	total := 0
	options := tasks.CancelOptions{By: o.By, Reason: o.Reason}
	if err := f.checkLiving(options); err != nil {
		return 0, fmt.Errorf("cancel tasks: %w", err)
	}
	stream, err := c.js.Stream(ctx, c.ns.Stream("TASKS"))
	if err != nil {
		return 0, fmt.Errorf("cancel tasks: %w", c.missing(err))
	}
	last := stream.CachedInfo().State.LastSeq
	for next := uint64(1); next > 0 && next <= last; {
		var batch []stored
		batch, next, err = c.batch(ctx, "TASKS", f.subject(c.ns), next)
		if err != nil {
			return total, fmt.Errorf("cancel tasks: %w", err)
		}
		list, err := c.matching(ctx, batch, last, f, o.Unstarted)
		if err == nil && !o.DryRun && len(list) > 0 {
			err = c.cancel(ctx, list, options)
		}
		if err != nil {
			return total, fmt.Errorf("cancel tasks: %w", err)
		}
		for _, t := range list {
			if t.ended == nil && !t.again {
				total++
			}
		}
		if o.Progress != nil {
			o.Progress(total)
		}
	}
	return total, nil
}

func (f ListFilter) checkLiving(o tasks.CancelOptions) error {
	wrong := func(field, want string) error { return &tasks.InvalidError{Field: field, Want: want} }
	switch {
	case f.State.Terminal():
		return wrong("state", "want one that has not ended: "+string(f.State)+" has")
	case f.Type != "" && !tasks.ValidName(f.Type):
		return wrong("type", "want 1 to 128 letters, digits, _ or -")
	case f.Pool != "" && !tasks.ValidName(f.Pool):
		return wrong("pool", "want 1 to 128 letters, digits, _ or -")
	case f.Priority != "" && !f.Priority.Valid():
		return wrong("priority", "want high, default or low")
	}
	return o.Check()
}

// Subject narrows what is read to what the subject can tell.
func (f ListFilter) subject(n Namespace) string {
	return n.subject("tasks", "*", cmp.Or(string(f.Priority), "*"), cmp.Or(f.Pool, "*"), cmp.Or(f.Type, "*"), "*")
}

// Matching returns the runs of a batch that match, each once.
func (c *Client) matching(ctx context.Context, batch []stored, last uint64, f ListFilter, unstarted bool) ([]*doomed, error) {
	taken := make([]bool, len(batch))
	places := make([]int, len(batch))
	for i := range places {
		places[i] = i
	}
	err := together(places, func(i int) (err error) {
		taken[i], err = c.matches(ctx, batch[i], f)
		return err
	})
	if err != nil {
		return nil, err
	}
	queues := deliveries{client: c}
	var list []*doomed
	known := map[cancelled]*doomed{}
	for i, s := range batch {
		e, openErr := c.ns.open(s)
		if !taken[i] || openErr != nil || s.sequence > last {
			continue
		}
		if unstarted {
			if given, err := queues.delivered(ctx, s); given || err != nil {
				if err != nil {
					return nil, err
				}
				continue
			}
		}
		key := cancelled{e.ID, e.run}
		if known[key] == nil {
			known[key] = &doomed{envelope: e}
			list = append(list, known[key])
		}
		known[key].messages = append(known[key].messages, s)
	}
	return list, nil
}

// Matches looks at the task's events only where the filter asks for what they
// tell.
func (c *Client) matches(ctx context.Context, s stored, f ListFilter) (bool, error) {
	if f.State == "" && f.Since.IsZero() {
		return f.takes(c.livingTask(s, nil)), nil
	}
	info, err := c.briefTask(ctx, s)
	return err == nil && f.takes(info), err
}
