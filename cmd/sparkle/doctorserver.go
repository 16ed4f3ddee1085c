package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"sparkle/internal/cli"
	"sparkle/streams"
)

// The least server: message schedules, batches and fast ingest.
const leastMajor, leastMinor = 2, 14

func (x *examination) server() {
	facts, err := x.checkup.Server()
	if err != nil {
		x.failed("server", err)
		return
	}
	detail := fmt.Sprintf("%s, NATS %s, round trip %s", facts.URL, facts.Version, cli.Took(facts.RoundTrip))
	if !recent(facts.Version) {
		x.note("server", broken, fmt.Sprintf("upgrade the NATS servers to %d.%d or later", leastMajor, leastMinor),
			"%s: older than %d.%d, which message schedules and batches need", detail, leastMajor, leastMinor)
		return
	}
	x.note("server", healthy, "", "%s", detail)
}

// Recent reports a version that has what we need; one that cannot be read passes.
func recent(version string) bool {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return true
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err1 != nil || err2 != nil {
		return true
	}
	return major > leastMajor || major == leastMajor && minor >= leastMinor
}

func (x *examination) jetStream(ctx context.Context) bool {
	info, err := x.checkup.Account(ctx)
	if err != nil {
		x.failed("jetstream", err)
		return false
	}
	detail := fmt.Sprintf("%s stored in %d streams, %d consumers", size(info.Store), info.Streams, info.Consumers)
	limit := info.Limits.MaxStore
	switch {
	case limit > 0 && info.Store*10 >= uint64(limit)*9:
		x.note("jetstream", doubt, "raise the account's limit, or keep events for less long (--events-age)", "%s of %s", detail, size(uint64(limit)))
	case limit > 0:
		x.note("jetstream", healthy, "", "%s of %s", detail, size(uint64(limit)))
	default:
		x.note("jetstream", healthy, "", "%s", detail)
	}
	return true
}

// Topology reports whether there is enough in place to look at the rest.
func (x *examination) topology(ctx context.Context) bool {
	wanted, err := x.doctor.wanted(ctx, x.client)
	if err != nil {
		x.failed("topology", err)
		return false
	}
	changes, err := x.client.Plan(ctx, wanted)
	if err != nil {
		x.failed("topology", err)
		return false
	}
	x.wanted = wanted
	differing := slices.DeleteFunc(changes, func(c streams.Change) bool { return c.Action == streams.Unwanted })
	var lines []string
	for _, change := range differing {
		lines = append(lines, change.String())
	}
	missing := count(differing, streams.Created)
	switch {
	case missing > 0:
		x.note("topology", broken, "start a consumer, or run: sparkle topology apply (or sparkle doctor --fix)",
			"%d objects are missing: %s", missing, brief(lines))
	case len(differing) > 0:
		x.note("topology", doubt, "compare with: sparkle topology plan; give doctor and consumer the same topology flags", "%s", brief(lines))
	default:
		x.note("topology", healthy, "", "in place for %s %s", plural(len(wanted.Pools), "pool"), strings.Join(wanted.Pools, ", "))
	}
	return !slices.ContainsFunc(differing, func(c streams.Change) bool {
		return c.Action == streams.Created && !strings.HasPrefix(c.Object, "consumer ")
	})
}

const maxSkew = 2 * time.Second

func (x *examination) clock(ctx context.Context) {
	ahead, err := x.checkup.Clock(ctx)
	switch {
	case err != nil:
		x.failed("clock", err)
	case ahead.Abs() > maxSkew:
		x.note("clock", doubt, "keep the clocks of servers, workers and publishers in step (NTP): delays and expiries are off by that much",
			"the server's is %v ahead of ours", ahead.Round(time.Millisecond))
	default:
		x.note("clock", healthy, "", "the server's differs from ours by %v", ahead.Abs().Round(time.Millisecond))
	}
}

// Streams looks at limits that an operator set.
func (x *examination) streams(ctx context.Context) {
	list, err := x.checkup.Streams(ctx)
	if err != nil {
		x.failed("streams", err)
		return
	}
	status, advice := healthy, []string(nil)
	var parts, usage []string
	worse := func(s health, detail, what string) {
		parts, advice = append(parts, detail), append(advice, what)
		if status != broken {
			status = s
		}
	}
	for _, f := range list {
		switch full := f.Full(); {
		case f.HoldsTasks && (f.MaxMsgs > 0 || f.MaxBytes > 0 || f.MaxAge > 0):
			worse(broken, fmt.Sprintf("%s has a limit and drops its oldest tasks beyond it", f.Name), "remove the limit with: sparkle topology apply")
		case full >= 1 && f.Refuses:
			worse(broken, fmt.Sprintf("%s is full and refuses (%d messages, %s)", f.Name, f.Messages, size(f.Bytes)), "raise the limit of "+f.Name+" with nats stream edit")
		case full >= 0.8 && f.Refuses:
			worse(doubt, fmt.Sprintf("%s is %.0f%% full", f.Name, 100*full), "raise the limit of "+f.Name+" with nats stream edit")
		case f.InSync < f.Replicas:
			worse(doubt, fmt.Sprintf("%s has %d of %d replicas in step", f.Name, f.InSync, f.Replicas), "look at the servers: nats server report jetstream")
		}
		if f.Messages > 0 {
			usage = append(usage, fmt.Sprintf("%s %d (%s)", f.Name, f.Messages, size(f.Bytes)))
		}
	}
	if len(parts) == 0 {
		parts = []string{"messages: " + strings.Join(usage, ", ")}
		if len(usage) == 0 {
			parts = []string{"all empty"}
		}
	}
	x.note("streams", status, strings.Join(slices.Compact(advice), "; "), "%s", strings.Join(parts, "; "))
}

const (
	metricsWait = 2 * time.Second
	maxMetrics  = 4 << 20
)

func (x *examination) metrics(ctx context.Context) {
	if x.doctor.MetricsURL == "" {
		x.note("metrics", unknown, "", "not asked for (--metrics-url)")
		return
	}
	if err := x.readMetrics(ctx); err != nil {
		x.note("metrics", broken, "look at the consumer's --http; behind a token give --metrics-token", "%v", err)
		return
	}
	x.note("metrics", healthy, "", "answer at %s", x.doctor.MetricsURL)
}

func (x *examination) readMetrics(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, metricsWait)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, x.doctor.MetricsURL, nil)
	if err != nil {
		return errors.New("--metrics-url: not a URL such as http://127.0.0.1:8080/metrics")
	}
	if x.doctor.MetricsToken != "" {
		request.Header.Set("Authorization", "Bearer "+x.doctor.MetricsToken)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("read the metrics: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // nothing is left to lose
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxMetrics))
	switch {
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("read the metrics: %s", answer.Status)
	case err != nil:
		return fmt.Errorf("read the metrics: %w", err)
	case !strings.Contains(string(body), "\nsparkle_worker_slots "):
		return errors.New("read the metrics: what answers there has no sparkle_worker_slots")
	}
	return nil
}

// Size prints bytes for people.
func size(n uint64) string {
	const unit = 1 << 10
	switch {
	case n < unit:
		return fmt.Sprintf("%d B", n)
	case n < unit<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/unit)
	case n < unit<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(unit<<10))
	default:
		return fmt.Sprintf("%.1f GiB", float64(n)/(unit<<20))
	}
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// Brief joins the first few lines and counts the others.
func brief(lines []string) string {
	const most = 3
	if len(lines) <= most {
		return strings.Join(lines, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(lines[:most], "; "), len(lines)-most)
}
