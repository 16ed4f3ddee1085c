package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"sparkle/embedded"
	"sparkle/internal/cli"
)

type bench struct {
	Tasks     int      `default:"100000" placeholder:"N" help:"Tasks of a round, 100 to 10000000; of latency and await at most 500."`
	Rounds    int      `default:"3" placeholder:"N" help:"How often each phase is measured, in turn with its floor, 1 to 20; the median counts."`
	Producers int      `default:"8" placeholder:"N" help:"Goroutines that publish in the phase enqueue."`
	Slots     int      `default:"10" placeholder:"N" help:"Slots of the worker."`
	Phases    []string `default:"enqueue,drain,latency,await,batch,bulk,bulk-guarded" enum:"enqueue,drain,latency,await,batch,bulk,bulk-guarded" placeholder:"PHASE" help:"What to measure, of ${enum}."`
	Store     string   `placeholder:"DIR" help:"Where the server's files are. Default: a directory that is removed at the end."`
}

// A measure is what a phase came to. Rates and the ratio of rates are better
// when larger, times and the ratio of times when smaller.
type measure struct {
	Phase          string  `json:"phase"`
	Tasks          int     `json:"tasks"`
	PerSecond      float64 `json:"per_second,omitempty"`
	P50US          float64 `json:"p50_us,omitempty"`
	P99US          float64 `json:"p99_us,omitempty"`
	FloorPerSecond float64 `json:"floor_per_second,omitempty"`
	FloorP50US     float64 `json:"floor_p50_us,omitempty"`
	FloorP99US     float64 `json:"floor_p99_us,omitempty"`
	// Ratio is the task layer's figure by the floor's, of the median times in
	// phases that measure time.
	Ratio float64 `json:"ratio,omitempty"`
	// OfEnqueue is the rate by that of enqueue, where both were measured.
	OfEnqueue float64 `json:"of_enqueue,omitempty"`
}

// Run measures; kong calls it.
func (c *bench) Run(ctx context.Context, s *session, given cli.Given) error {
	if err := c.check(); err != nil {
		return err
	}
	rig, close, err := c.rig(ctx, s, given["nats-url"])
	if err != nil {
		return err
	}
	defer close()
	measures, err := c.measure(ctx, s, rig)
	if err != nil {
		return errors.Join(err, rig.remove(context.WithoutCancel(ctx)))
	}
	if err := rig.remove(ctx); err != nil {
		return err
	}
	return measureList(measures).Print(s.printer())
}

func (c *bench) check() error {
	switch {
	case c.Tasks < 100 || c.Tasks > 10_000_000:
		return cli.Misuse("--tasks: %d is not within 100 to 10000000", c.Tasks)
	case c.Rounds < 1 || c.Rounds > 20:
		return cli.Misuse("--rounds: %d is not within 1 to 20", c.Rounds)
	case c.Producers < 1 || c.Producers > 1_000:
		return cli.Misuse("--producers: %d is not within 1 to 1000", c.Producers)
	case c.Slots < 1 || c.Slots > 10_000:
		return cli.Misuse("--slots: %d is not within 1 to 10000", c.Slots)
	}
	return nil
}

// Rig connects to the server that was named, else to one of its own in this
// process, over TCP as any client does.
func (c *bench) rig(ctx context.Context, s *session, named bool) (*rig, func(), error) {
	if named {
		nc, err := s.flags.Connect(ctx, "sparkle bench", s.flags.Logger(s.std), s.std.Err)
		if err != nil {
			return nil, nil, err
		}
		r, err := newRig(ctx, nc, c)
		return r, nc.Close, err
	}
	dir, err := os.MkdirTemp(c.Store, "sparkle-bench-*")
	if err != nil {
		return nil, nil, fmt.Errorf("make a directory for the bench: %w", err)
	}
	remove := func() { _ = os.RemoveAll(dir) } // the system removes it in time
	server, err := embedded.New(embedded.Options{Store: dir, Listen: "127.0.0.1:0", Logger: zerolog.Nop()})
	if err != nil {
		remove()
		return nil, nil, err
	}
	nc, err := connectTo(server.URL())
	if err != nil {
		_ = server.Close() // nothing in it is kept
		remove()
		return nil, nil, err
	}
	r, err := newRig(ctx, nc, c)
	return r, func() {
		nc.Close()
		_ = server.Close() // nothing in it is kept
		remove()
	}, err
}

// Measure runs the rounds; in every other one the floor comes second, so that
// what changes with time favours neither.
func (c *bench) measure(ctx context.Context, s *session, r *rig) ([]measure, error) {
	phases := slices.DeleteFunc(phases(), func(p phase) bool { return !slices.Contains(c.Phases, p.name) })
	ours, floors := make([]readings, len(phases)), make([]readings, len(phases))
	for round := range c.Rounds {
		for i, p := range phases {
			s.say("round %d of %d: %s", round+1, c.Rounds, p.name)
			sides := []func() error{
				func() error { return floors[i].take(ctx, r, p.floor) },
				func() error { return ours[i].take(ctx, r, p.ours) },
			}
			if round%2 == 1 {
				slices.Reverse(sides)
			}
			for _, side := range sides {
				runtime.GC() // of what came before
				if err := side(); err != nil {
					return nil, fmt.Errorf("measure %s: %w", p.name, err)
				}
			}
		}
	}
	measures := make([]measure, len(phases))
	for i, p := range phases {
		measures[i] = compare(p.name, ours[i], floors[i])
	}
	return withEnqueue(measures), nil
}

// WithEnqueue compares the rates with that of publishing one by one.
func withEnqueue(measures []measure) []measure {
	at := slices.IndexFunc(measures, func(m measure) bool { return m.Phase == "enqueue" })
	for i := range measures {
		if at >= 0 && i != at && measures[i].PerSecond > 0 && measures[i].Phase != "drain" {
			measures[i].OfEnqueue = rounded(measures[i].PerSecond / measures[at].PerSecond)
		}
	}
	return measures
}

func measureList(measures []measure) cli.List[measure] {
	number := func(title string, n func(measure) float64) cli.Column[measure] {
		return cli.Column[measure]{Title: title, Right: true, Cell: func(m measure) string {
			if v := n(m); v >= 100 {
				return fmt.Sprintf("%.0f", v)
			} else if v > 0 {
				return fmt.Sprintf("%.2f", v)
			}
			return "-"
		}}
	}
	return cli.List[measure]{
		Items: measures,
		Name:  func(m measure) string { return m.Phase },
		Columns: []cli.Column[measure]{
			{Title: "phase", Cell: func(m measure) string { return m.Phase }},
			number("per second", func(m measure) float64 { return m.PerSecond }),
			number("floor", func(m measure) float64 { return m.FloorPerSecond }),
			number("p50 us", func(m measure) float64 { return m.P50US }),
			number("p99 us", func(m measure) float64 { return m.P99US }),
			number("floor p50 us", func(m measure) float64 { return m.FloorP50US }),
			number("ratio", func(m measure) float64 { return m.Ratio }),
			number("of enqueue", func(m measure) float64 { return m.OfEnqueue }),
		},
	}
}

const someTasks = 500 // of phases that measure one task at a time

func (c *bench) some() int { return min(c.Tasks, someTasks) }

// Pace is the time between two tasks that find an idle queue.
const pace = 5 * time.Millisecond
