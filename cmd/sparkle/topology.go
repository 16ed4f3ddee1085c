package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

// TopologyFlags say what is wanted.
type topologyFlags struct {
	Pools []string `placeholder:"POOL" help:"Pools that have consumers. Default: main, and those that have consumers already."`
	cli.Topology
}

// Validate checks the flags; kong calls it.
func (f topologyFlags) Validate() error {
	if err := cli.CheckPools(f.Pools); err != nil {
		return err
	}
	return f.Topology.Validate()
}

// Wanted is the topology that the flags ask for; without --pools it keeps the
// pools of the server.
func (f topologyFlags) wanted(ctx context.Context, client *streams.Client) (streams.Topology, error) {
	pools := f.Pools
	if len(pools) == 0 {
		known, err := client.Pools(ctx)
		if err != nil && !errors.Is(err, streams.ErrNoTopology) {
			return streams.Topology{}, err
		}
		pools = slices.Compact(slices.Sorted(slices.Values(append(known, tasks.MainPool))))
	}
	return f.With(pools), nil
}

type topologyPlan struct{ topologyFlags }

// Run shows the plan; kong calls it.
func (c *topologyPlan) Run(ctx context.Context, s *session) error {
	client, err := s.bareClient(ctx)
	if err != nil {
		return err
	}
	wanted, err := c.wanted(ctx, client)
	if err != nil {
		return err
	}
	changes, err := client.Plan(ctx, wanted)
	if err != nil {
		return err
	}
	s.noteEmpty(len(changes), "the server has this topology")
	if err := changeList("would be", changes).Print(s.printer()); err != nil {
		return err
	}
	n := count(changes, streams.Created, streams.Updated, streams.Refused, streams.Impossible)
	if n == 0 {
		return nil
	}
	return &cli.Fault{
		Code: cli.Conflict, Err: fmt.Errorf("the server differs from the topology in %d of its objects", n),
		Hint: planHint(changes),
	}
}

func planHint(changes []streams.Change) string {
	switch {
	case count(changes, streams.Created, streams.Updated) > 0:
		return "sparkle topology apply puts in place what loses nothing"
	case count(changes, streams.Refused) > 0:
		return "keep it, and give the flags that fit it; or sparkle topology apply --allow-destructive"
	default:
		return "NATS cannot change these: move the data to a namespace that is made anew"
	}
}

type topologyApply struct {
	topologyFlags
	AllowDestructive bool `help:"Make the changes too that can lose data, such as a shorter retention. They must be confirmed."`
	cli.Force
}

// Run puts the topology in place; kong calls it.
func (c *topologyApply) Run(ctx context.Context, s *session) error {
	client, err := s.bareClient(ctx)
	if err != nil {
		return err
	}
	wanted, err := c.wanted(ctx, client)
	if err != nil {
		return err
	}
	if c.AllowDestructive {
		if err := confirmLoss(ctx, s, client, wanted, c.Force.Force); err != nil {
			return err
		}
	}
	changes, err := client.Apply(ctx, wanted, streams.ApplyOptions{Destructive: c.AllowDestructive})
	if err != nil && !errors.Is(err, streams.ErrDestructive) {
		return err
	}
	s.noteEmpty(len(changes), "nothing to change: the server has this topology")
	if err := changeList("was", changes).Print(s.printer()); err != nil {
		return err
	}
	if left := count(changes, streams.Refused, streams.Impossible); left > 0 {
		return &cli.Fault{
			Code: cli.Conflict, Err: fmt.Errorf("%d of the objects were left as they are", left),
			Hint: planHint(slices.DeleteFunc(changes, func(c streams.Change) bool { return c.Action == streams.Created || c.Action == streams.Updated })),
		}
	}
	return nil
}

// ConfirmLoss asks only where the plan has something that can lose data.
func confirmLoss(ctx context.Context, s *session, client *streams.Client, wanted streams.Topology, force bool) error {
	changes, err := client.Plan(ctx, wanted)
	if err != nil {
		return err
	}
	var losing []string
	for _, change := range changes {
		if change.Action == streams.Refused {
			losing = append(losing, fmt.Sprintf("%s: %s", change.Object, change.Reason))
		}
	}
	if len(losing) == 0 {
		return nil
	}
	what := fmt.Sprintf("change %d objects so that data can be lost (%s)", len(losing), strings.Join(losing, "; "))
	return s.std.Confirm(what, string(client.Namespace()), force)
}

func count(changes []streams.Change, actions ...streams.Action) int {
	n := 0
	for _, change := range changes {
		if slices.Contains(actions, change.Action) {
			n++
		}
	}
	return n
}

func changeList(title string, changes []streams.Change) cli.List[streams.Change] {
	type change = streams.Change
	return cli.List[change]{
		Items: changes,
		Name:  func(c change) string { return c.Object },
		Columns: []cli.Column[change]{
			{Title: "object", Cell: func(c change) string { return c.Object }},
			{Title: title, Cell: func(c change) string { return string(c.Action) }, Paint: paintChange},
			{Title: "fields", Cell: func(c change) string { return strings.Join(c.Fields, ", ") }},
			{Title: "why", Cell: func(c change) string { return c.Reason }},
		},
	}
}

func paintChange(c streams.Change) cli.Color {
	switch c.Action {
	case streams.Refused, streams.Impossible:
		return cli.Red
	case streams.Created, streams.Updated:
		return cli.Yellow
	default:
		return 0
	}
}
