package main

import (
	"context"
	"math"
	"slices"
	"time"
)

// A phase is one thing to measure, with the task layer and without it.
type phase struct {
	name        string
	ours, floor measurement // a nil floor: there is nothing to compare with
}

// A measurement runs one round and returns what it read.
type measurement func(context.Context, *rig) (reading, error)

// A reading is what a round came to: how many tasks took how long together, or
// how long each took.
type reading struct {
	tasks int
	took  time.Duration
	times []time.Duration
}

// Readings are those of all rounds.
type readings struct {
	tasks int
	rates []float64
	times []time.Duration
}

func (r *readings) take(ctx context.Context, on *rig, m measurement) error {
	if m == nil {
		return nil
	}
	got, err := m(ctx, on)
	if err != nil {
		return err
	}
	if err := on.empty(ctx); err != nil {
		return err
	}
	r.tasks += got.tasks
	if got.times == nil {
		r.rates = append(r.rates, float64(got.tasks)/got.took.Seconds())
	}
	r.times = append(r.times, got.times...)
	return nil
}

func compare(phase string, ours, floor readings) measure {
	m := measure{
		Phase: phase, Tasks: ours.tasks,
		PerSecond: math.Round(median(ours.rates)), FloorPerSecond: math.Round(median(floor.rates)),
		P50US: percentile(ours.times, 50), P99US: percentile(ours.times, 99),
		FloorP50US: percentile(floor.times, 50), FloorP99US: percentile(floor.times, 99),
	}
	switch {
	case m.FloorPerSecond > 0:
		m.Ratio = rounded(m.PerSecond / m.FloorPerSecond)
	case m.FloorP50US > 0:
		m.Ratio = rounded(m.P50US / m.FloorP50US)
	}
	return m
}

func rounded(x float64) float64 { return math.Round(x*1000) / 1000 }

func median(rates []float64) float64 {
	if len(rates) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(rates))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Percentile returns the time in microseconds that p of 100 do not exceed.
func percentile(times []time.Duration, p int) float64 {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	return float64(sorted[min(len(sorted)*p/100, len(sorted)-1)].Nanoseconds()/100) / 10
}
