package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sparkle/internal/cli"
	"sparkle/streams"
)

const (
	askWorkers  = 500 * time.Millisecond
	watchQueues = time.Second
)

// Fleet asks the workers, and looks whether the queues move.
func (x *examination) fleet(ctx context.Context) {
	var err error
	if x.workers, err = x.client.Workers(ctx, askWorkers); err != nil {
		x.failed("workers", err)
		return
	}
	slots, running := 0, 0
	for _, w := range x.workers {
		slots, running = slots+w.Slots, running+len(w.Running)
	}
	if len(x.workers) == 0 {
		x.note("workers", broken, "start one with: consumer", "none answers")
	} else {
		x.note("workers", healthy, "", "%d %s, %d of %d slots busy", len(x.workers), plural(len(x.workers), "worker"), running, slots)
	}
	if x.queues, err = x.checkup.Queues(ctx, x.workers, watchQueues); err != nil {
		x.failed("queues", err)
		return
	}
	for _, q := range x.queues {
		x.queue(q)
	}
}

// Queue notes a queue only where something is to be said of it.
func (x *examination) queue(q streams.QueueFacts) {
	name := "queue " + q.Queue.String()
	switch {
	case q.Paused > 0:
		x.note(name, doubt, "it goes on by itself when the pause is over", "paused for another %s, %d tasks wait", cli.Age(q.Paused), q.Waiting)
	case q.Full():
		x.note(name, broken, "look for workers that hold tasks and do not end them; tasks whose worker died are delivered again after "+q.AckWait.String(),
			"%d tasks are leased, and no more may be: %d wait", q.Leased, q.Waiting)
	case q.Stalled():
		x.note(name, broken, "restart the NATS server that leads the consumer, or let it step down: nats consumer cluster step-down",
			"stalled: %d tasks wait and workers pull, but nothing was delivered for %v", q.Waiting, watchQueues)
	case len(q.Workers) == 0 && q.Pulls == 0 && q.Waiting > 0:
		x.note(name, broken, "start a worker for it with: consumer --pools "+q.Queue.Pool, "no worker serves it, %d tasks wait", q.Waiting)
	case len(q.Workers) == 0 && q.Pulls == 0 && len(x.workers) > 0:
		x.note(name, doubt, "start a worker for it, or let it be when the pool is no longer used", "no worker serves it; nothing waits")
	}
}

// Probes sends one through each pool.
func (x *examination) probes(ctx context.Context) {
	for pool, queues := range x.pools() {
		i := slices.IndexFunc(queues, func(q streams.QueueFacts) bool { return q.Paused == 0 && (len(q.Workers) > 0 || q.Pulls > 0) })
		name := "pool " + pool
		switch {
		case i >= 0:
			x.probe(name, queues[i], x.checkup.Probe(ctx, queues[i].Queue))
		case slices.ContainsFunc(queues, func(q streams.QueueFacts) bool { return q.Paused > 0 }):
			x.note(name, unknown, "", "not probed: what has workers is paused")
		default:
			x.note(name, unknown, "", "not probed: no worker serves it")
		}
	}
}

// Pools yields the queues of each pool, highest priority first.
func (x *examination) pools() func(yield func(string, []streams.QueueFacts) bool) {
	return func(yield func(string, []streams.QueueFacts) bool) {
		for rest := x.queues; len(rest) > 0; {
			pool := rest[0].Queue.Pool
			n := slices.IndexFunc(rest, func(q streams.QueueFacts) bool { return q.Queue.Pool != pool })
			if n < 0 {
				n = len(rest)
			}
			if !yield(pool, rest[:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

func (x *examination) probe(name string, q streams.QueueFacts, f streams.ProbeFacts) {
	switch f.End {
	case streams.ProbeRan:
		x.note(name, healthy, "", "a probe ran through %s on %s in %s", q.Queue, f.Worker, cli.Took(f.Took))
	case streams.ProbeRefused:
		x.note(name, broken, "make room, or raise the limit that the error names", "probe not stored: %v", f.Err)
	case streams.ProbeParked:
		x.note(name, doubt, "deploy workers of this build", "worker %s does not know probes and parked it: it is of an older build", f.Worker)
	case streams.ProbeNoOutcome:
		if q.Free == 0 && len(q.Workers) > 0 { // taken ahead, to wait for a slot
			x.notTaken(name, q)
			return
		}
		x.note(name, broken, "look at the worker's log for: not stored yet, not settled, stuck; and at the streams above",
			"a worker took the probe through %s, and stored no outcome within %v", q.Queue, x.doctor.Wait)
	case streams.ProbeFailed:
		x.note(name, broken, "look at the worker's log", "the probe through %s: %v", q.Queue, f.Err)
	case streams.ProbeNotTaken:
		x.notTaken(name, q)
	}
}

// NotTaken says which step is missing: a worker, a free slot, or the delivery.
func (x *examination) notTaken(name string, q streams.QueueFacts) {
	switch {
	case len(q.Workers) > 0 && q.Free == 0:
		x.note(name, doubt, "start more workers, or raise --concurrency", "no slot was free within %v: all of %s are busy", x.doctor.Wait, brief(q.Workers))
	case q.Full():
		x.note(name, broken, "see queue "+q.Queue.String(), "the probe was not delivered: as many tasks are leased as may be")
	default:
		x.note(name, broken, "look whether the workers reach this server, and at their logs; then restart them",
			"no worker took the probe from %s within %v", q.Queue, x.doctor.Wait)
	}
}

const maxLate = 2 * time.Second

func (x *examination) schedules(ctx context.Context) {
	late, err := x.checkup.ProbeSchedule(ctx)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		x.note("schedules", broken, "delayed tasks and retries do not start: look at the server's log, and restart the server that leads the stream of tasks",
			"a schedule did not fire within %v", x.doctor.Wait)
	case err != nil:
		x.failed("schedules", err)
	case late > maxLate:
		x.note("schedules", doubt, "the server is busy, or its clock differs from ours", "a schedule fired %s late", cli.Took(late))
	default:
		x.note("schedules", healthy, "", "a schedule fired %s late", cli.Took(late))
	}
}

const sweepLate = 3 * time.Minute

func (x *examination) mover(ctx context.Context) {
	f, err := x.checkup.Mover(ctx)
	if err != nil {
		x.failed("mover", err)
		return
	}
	start := "start a consumer: every one of them runs a mover"
	switch {
	case f.Pulls == 0:
		x.note("mover", broken, start, "nobody buries what the server gives up: no mover pulls, %d advisories wait", f.Pending)
	case f.Pending > 0 || f.Leased > 0:
		x.note("mover", doubt, "look at the consumers' logs for: not moved", "%d advisories wait, %d are being moved or come again", f.Pending, f.Leased)
	default:
		x.note("mover", healthy, "", "%d %s", f.Pulls, plural(f.Pulls, "mover"))
	}
	switch age := time.Since(f.Swept); {
	case f.Swept.IsZero():
		x.note("sweep", broken, start, "none was ever begun")
	case age > sweepLate:
		x.note("sweep", broken, start, "the last one began %s ago; one each minute is right", cli.Age(age))
	default:
		x.note("sweep", healthy, "", "the last one began %s ago", cli.Age(age))
	}
}

// Tasks looks for what nobody works on.
func (x *examination) tasks(ctx context.Context) {
	f, err := x.checkup.Tasks(ctx)
	if err != nil {
		x.failed("tasks", err)
		return
	}
	before := len(x.findings)
	if f.OrphansCount > 0 {
		x.note("orphans", broken, "the sweep buries them within a minute; at once: sparkle doctor --fix",
			"%d tasks were given up by the server and not buried: %s", f.OrphansCount, ids(f.Orphans))
	}
	if f.SuspectsCount > 0 {
		x.note("suspects", doubt, "the sweep buries them once the older tasks of their queue have ended; see them with: sparkle task show ID",
			"%d delivered tasks are held by nobody: %s", f.SuspectsCount, ids(f.Suspects))
	}
	if f.UnscheduledCount > 0 {
		x.note("unscheduled", broken, "nothing will ever run them: publish them again on their ready subject, then remove each with: nats stream rmm "+x.client.Namespace().Stream("TASKS")+" SEQUENCE",
			"%d messages stand on later without a schedule: %s", f.UnscheduledCount, ids(f.Unscheduled))
	}
	x.counted("unserved", f.Unserved, broken, "start a worker for the pool with: consumer --pools POOL",
		"tasks wait in pools that no worker ever served: %s")
	x.counted("unknown types", f.Parked, doubt, "deploy a worker that has a handler for the type, or stop who publishes it",
		"no worker for: %s")
	if len(x.findings) == before {
		x.note("tasks", healthy, "", "looked at %s; none is left behind", sampled(f.Read, f.Cut))
	} else if f.Cut {
		x.note("tasks", doubt, "raise --sample to look at more", "looked at %s", sampled(f.Read, f.Cut))
	}
}

func (x *examination) counted(name string, counts map[string]int, status health, advice, format string) {
	if len(counts) > 0 {
		x.note(name, status, advice, format, tally(counts))
	}
}

func sampled(n int, cut bool) string {
	if cut {
		return fmt.Sprintf("the oldest %d messages and not at all of them", n)
	}
	return fmt.Sprintf("all %d messages", n)
}

const recentDeaths = 24 * time.Hour

func (x *examination) dead(ctx context.Context) {
	counts, cut, err := x.checkup.DeadSince(ctx, time.Now().Add(-recentDeaths))
	switch {
	case err != nil:
		x.failed("dead letters", err)
	case len(counts) == 0:
		x.note("dead letters", healthy, "", "none within a day")
	default:
		more := ""
		if cut {
			more = " and more"
		}
		x.note("dead letters", doubt, "look at them with: sparkle dead ls", "within a day: %s%s", tally(counts), more)
	}
}

// Tally prints counts by name, the largest first.
func tally[Name ~string](counts map[Name]int) string {
	names := make([]Name, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b Name) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(string(a), string(b))
	})
	var parts []string
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%s (%d)", name, counts[name]))
	}
	return brief(parts)
}

func ids(found []streams.Found) string {
	var parts []string
	for _, f := range found {
		parts = append(parts, fmt.Sprintf("%s (%s, sequence %d)", f.ID, f.Type, f.Sequence))
	}
	return brief(parts)
}
