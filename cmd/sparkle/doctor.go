package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

type doctor struct {
	Fix          bool          `help:"Repair what loses nothing: put the topology in place, and bury the tasks that the server gave up."`
	MetricsURL   string        `name:"metrics-url" placeholder:"URL" help:"Check the metrics of a consumer too, such as http://127.0.0.1:8080/metrics."`
	MetricsToken string        `placeholder:"SECRET" help:"The consumer's --http-token; better set by its variable."`
	Sample       int           `default:"10000" placeholder:"N" help:"How many messages of a stream are read at most, 1 to 1000000."`
	Wait         time.Duration `default:"5s" placeholder:"DURATION" help:"How long a probe may take to run, 100ms to 1m."`
	topologyFlags
}

// Validate checks the flags; kong calls it.
func (c *doctor) Validate() error {
	if c.Sample < 1 || c.Sample > 1_000_000 {
		return fmt.Errorf("--sample: %d is not within 1 to 1000000", c.Sample)
	}
	if c.Wait < 100*time.Millisecond || c.Wait > time.Minute {
		return fmt.Errorf("--wait: %v is not within 100ms to 1m", c.Wait)
	}
	return c.topologyFlags.Validate()
}

// A health is what a check came to.
type health string

// The healths.
const (
	healthy health = "ok"
	doubt   health = "warn" // works, and somebody should look
	broken  health = "fail"
	unknown health = "skip" // could not be checked, or was not asked for
)

// A finding is what one check found.
type finding struct {
	Name   string `json:"name"`
	Status health `json:"status"`
	Detail string `json:"detail"`
	Advice string `json:"advice,omitempty"` // what to do
}

// An examination runs the checks in order; each needs what the earlier ones
// found to be there.
type examination struct {
	doctor   *doctor
	client   *streams.Client
	checkup  *streams.Checkup
	wanted   streams.Topology
	workers  []tasks.WorkerStats
	queues   []streams.QueueFacts
	findings []finding
}

func (x *examination) note(name string, status health, advice, format string, args ...any) {
	x.findings = append(x.findings, finding{name, status, fmt.Sprintf(format, args...), advice})
}

// Failed notes that a check could not be made.
func (x *examination) failed(name string, err error) {
	advice := cmp.Or(cli.Explain(err).Hint, "see what the checks above say, then the server's log")
	x.note(name, broken, advice, "%v", err)
}

// Run examines the system; kong calls it.
func (c *doctor) Run(ctx context.Context, s *session) error {
	x := &examination{doctor: c}
	client, err := s.bareClient(ctx)
	if err != nil {
		x.note("server", broken, "start a server, or one with everything: consumer --dev; check --nats-url and --creds", "%v", err)
		return x.conclude(s)
	}
	x.client, x.checkup = client, streams.NewCheckup(client, streams.CheckupOptions{Sample: c.Sample, Wait: c.Wait})
	if c.Fix {
		if err := c.repair(ctx, s, client); err != nil {
			x.failed("fix", err)
		}
	}
	if x.server(); x.jetStream(ctx) && x.topology(ctx) {
		x.clock(ctx)
		x.streams(ctx)
		x.fleet(ctx)
		x.probes(ctx)
		x.schedules(ctx)
		x.mover(ctx)
		x.tasks(ctx)
		x.dead(ctx)
	}
	x.metrics(ctx)
	return x.conclude(s)
}

// Repair does what loses nothing, and says what it did.
func (c *doctor) repair(ctx context.Context, s *session, client *streams.Client) error {
	wanted, err := c.wanted(ctx, client)
	if err != nil {
		return err
	}
	// First the sweep, which counts deliveries by the consumers as they were.
	mover := streams.NewMover(client, streams.MoverOptions{Log: zerolog.New(&moves{say: s.say})})
	if err := mover.Sweep(ctx); err != nil && !errors.Is(err, streams.ErrNoTopology) {
		return fmt.Errorf("sweep: %w", err)
	}
	changes, err := client.Ensure(ctx, wanted)
	for _, change := range changes {
		s.say("fixed: %s", change)
	}
	if err != nil && !errors.Is(err, streams.ErrDestructive) {
		return fmt.Errorf("put the topology in place: %w", err)
	}
	return nil
}

// Moves tells of each task that a sweep buried.
type moves struct{ say func(string, ...any) }

// Write takes a line of the mover's log.
func (m *moves) Write(line []byte) (int, error) {
	m.say("fixed: buried a task that the server gave up: %s", strings.TrimSpace(string(line)))
	return len(line), nil
}

// Conclude prints what was found.
func (x *examination) conclude(s *session) error {
	p := s.printer()
	if err := findingList(x.findings).Print(p); err != nil {
		return err
	}
	if p.Format == cli.Table {
		if err := x.advise(p); err != nil {
			return err
		}
	}
	var failed []string
	for _, f := range x.findings {
		if f.Status == broken {
			failed = append(failed, f.Name)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return &cli.Fault{Code: cli.Failed, Err: fmt.Errorf("%d of %d checks failed: %s", len(failed), len(x.findings), strings.Join(failed, ", "))}
}

// Advise lists what to do, after the table.
func (x *examination) advise(p cli.Printer) error {
	title := []string{"", "what to do"}
	for _, f := range x.findings {
		if f.Advice == "" || f.Status == healthy {
			continue
		}
		for _, line := range append(title, "  "+f.Name+": "+f.Advice) {
			if err := p.Line(line); err != nil {
				return err
			}
		}
		title = nil
	}
	return nil
}

func findingList(findings []finding) cli.List[finding] {
	return cli.List[finding]{
		Items: findings,
		Name:  func(f finding) string { return f.Name + " " + string(f.Status) },
		Columns: []cli.Column[finding]{
			{Title: "check", Cell: func(f finding) string { return f.Name }},
			{Title: "status", Cell: func(f finding) string { return string(f.Status) }, Paint: func(f finding) cli.Color {
				return map[health]cli.Color{healthy: cli.Green, doubt: cli.Yellow, broken: cli.Red}[f.Status]
			}},
			{Title: "detail", Cell: func(f finding) string { return f.Detail }},
		},
	}
}
