package tasks

import (
	"context"
	"encoding/json"
	"time"
)

// ProbeType is the type of a probe: a task by which an operator learns whether a
// queue works from end to end. Every worker runs it, whatever its registry has;
// a registered type of this name takes its place.
const ProbeType = "sparkle_probe"

// A ProbeResult is what a probe returns.
type ProbeResult struct {
	// Worker is the name of the worker that ran the probe.
	Worker string `json:"worker"`
}

const probeTimeout = 5 * time.Second

// Probe is the built-in type of a worker.
func probe(worker string, m *metrics) *runnable {
	return &runnable{
		Definition{Name: ProbeType, Priority: High, Pool: MainPool, Timeout: probeTimeout, Retry: Retry{Attempts: 1}},
		func(context.Context, *Delivery) (json.RawMessage, error) { return json.Marshal(ProbeResult{worker}) },
		m.seriesOf(ProbeType),
	}
}
