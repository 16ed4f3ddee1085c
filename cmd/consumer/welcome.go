package main

import (
	"fmt"
	"strings"

	"sparkle/internal/cli"
)

// Welcome says what runs and where: in words for people, and always in one line
// that a program can read.
func (c *consumer) welcome(std cli.Std, web *web) {
	if c.flags.LogFormat == "json" {
		c.log.Log().Str("http", web.url()).Str("nats", c.natsURL()).Str("worker", c.worker.Stats().Name).Msg("listening")
		return
	}
	var b strings.Builder
	if c.flags.Dev {
		c.introduce(&b, web)
	}
	_, _ = fmt.Fprintf(&b, "listening: http=%s nats=%s\n", web.url(), c.natsURL())
	_, _ = std.Err.Write([]byte(b.String()))
}

func (c *consumer) natsURL() string {
	if c.server == nil {
		return c.nc.ConnectedUrlRedacted()
	}
	if url := c.server.URL(); url != "" {
		return url
	}
	return "off"
}

func (c *consumer) introduce(b *strings.Builder, web *web) {
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(b, format+"\n", args...) }
	stats := c.worker.Stats()
	names := make([]string, 0, len(c.known))
	for _, t := range c.known {
		names = append(names, t.Name)
	}
	line("Sparkle runs, everything in this process; Ctrl-C stops it.")
	line("")
	line("  NATS server  %s, files in %s, on disk each %s", c.natsURL(), c.flags.Store, c.flags.Sync)
	line("  worker       %s with %d slots, queues %s", stats.Name, stats.Slots, strings.Join(stats.Queues, " "))
	line("  types        %s", strings.Join(names, " "))
	line("  HTTP         %s with /healthz /readyz /metrics", web.url())
	line("")
	line("Type in another terminal:")
	line("")
	line(`  publisher %srerank_documents '{"query":"green tea","documents":[{"id":"a","text":"black coffee"},{"id":"b","text":"green tea"}]}' --wait`, c.reach())
	line("  sparkle %stask ls", c.reach())
	line("  sparkle %squeue ls", c.reach())
	line("")
}

// Reach is the flags with which the other programs find this server.
func (c *consumer) reach() string {
	var reach string
	if url := c.natsURL(); url != "nats://127.0.0.1:4222" && url != "off" {
		reach += "--nats-url " + url + " "
	}
	if c.flags.Namespace != "sparkle" {
		reach += "--namespace " + c.flags.Namespace + " "
	}
	return reach
}

// Farewell says what happens between the signal and the end.
func (c *consumer) farewell(std cli.Std) {
	running := len(c.worker.Stats().Running)
	if c.flags.LogFormat == "json" {
		c.log.Log().Int("running", running).Stringer("grace", c.flags.Grace).Msg("draining")
		return
	}
	_, _ = fmt.Fprintf(std.Err, "draining: %d running, which have %s; a second signal quits at once\n", running, c.flags.Grace)
}
