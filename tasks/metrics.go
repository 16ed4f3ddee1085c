package tasks

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of a worker; labels are the type, the priority and the outcome, never
// a task, user or worker.
type metrics struct {
	starts   *prometheus.CounterVec
	failures *prometheus.CounterVec
	losses   *prometheus.CounterVec
	duration *prometheus.HistogramVec
	wait     *prometheus.HistogramVec
	stuck    prometheus.Counter
}

// NewMetrics registers a worker's metrics; with a nil registerer they only
// count.
func newMetrics(registerer prometheus.Registerer, w *Worker) (*metrics, error) {
	labels := []string{"type", "priority"}
	m := &metrics{
		starts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sparkle_task_started_total", Help: "Attempts started.",
		}, labels),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sparkle_task_failed_total", Help: "Attempts that failed, by what followed: retrying or dead.",
		}, append(labels, "outcome")),
		losses: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sparkle_task_lease_lost_total", Help: "Attempts given up because their lease could not be extended.",
		}, labels),
		duration: histogram("sparkle_task_duration_seconds", "From the start of an attempt to its end.", append(labels, "outcome")),
		wait:     histogram("sparkle_task_wait_seconds", "From a task becoming ready to the start of an attempt.", labels),
		stuck: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sparkle_task_stuck_total", Help: "Handlers that ignored their cancelled context and were replaced.",
		}),
	}
	if registerer == nil {
		return m, nil
	}
	for _, c := range append(w.gauges(), m.starts, m.failures, m.losses, m.duration, m.wait, m.stuck) {
		if err := registerer.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func histogram(name, help string, labels []string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: name, Help: help,
		Buckets:                        []float64{.001, .005, .025, .1, .5, 1, 5, 15, 60, 300, 1800},
		NativeHistogramBucketFactor:    1.1,
		NativeHistogramMaxBucketNumber: 160,
	}, labels)
}

func (w *Worker) gauges() []prometheus.Collector {
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			w.mu.Lock()
			defer w.mu.Unlock()
			return float64(value())
		})
	}
	return []prometheus.Collector{
		gauge("sparkle_worker_slots", "Handlers that may run at a time.", func() int { return w.slots }),
		gauge("sparkle_worker_running", "Handlers that run.", func() int { return len(w.running) }),
		gauge("sparkle_worker_leased", "Tasks leased and not settled.", func() int { return len(w.held) }),
	}
}

// TypeLabel keeps made-up types from making labels.
func (w *Worker) typeLabel(a *attempt) string {
	if _, known := w.types[a.Type]; known {
		return a.Type
	}
	return "unknown"
}

func (m *metrics) started(a *attempt) {
	label := a.worker.typeLabel(a)
	m.starts.WithLabelValues(label, string(a.Priority)).Inc()
	if !a.Ready.IsZero() {
		m.wait.WithLabelValues(label, string(a.Priority)).Observe(max(a.started.Sub(a.Ready).Seconds(), 0))
	}
}

func (m *metrics) settled(a *attempt, o Outcome) {
	label := a.worker.typeLabel(a)
	if o.Error != "" && o.State != Cancelled {
		m.failures.WithLabelValues(label, string(a.Priority), string(o.State)).Inc()
	}
	if !o.Started.IsZero() {
		m.duration.WithLabelValues(label, string(a.Priority), string(o.State)).Observe(o.Ended.Sub(o.Started).Seconds())
	}
}

func (m *metrics) lost(a *attempt) {
	m.losses.WithLabelValues(a.worker.typeLabel(a), string(a.Priority)).Inc()
}
