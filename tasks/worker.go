package tasks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// WorkerOptions configures a [Worker]; Source and Registry are needed.
type WorkerOptions struct {
	// Source leases the tasks.
	Source Source
	// Registry has the handlers.
	Registry *Registry
	// Name identifies the worker in events and logs. Default host-pid.
	Name string
	// Concurrency is the number of slots: handlers that run at a time. Default
	// 10; at most [MaxSlots]. [Worker.Scale] changes it.
	Concurrency int
	// Pools that the worker serves. Default "main".
	Pools []string
	// Priorities that the worker serves. Default all.
	Priorities []Priority
	// Weights share the slots among the priorities. Default 6:3:1.
	Weights Weights
	// Strict serves the highest priority that has work and keeps a twentieth of
	// the starts for each of the others. It replaces Weights.
	Strict bool
	// AckWait is how long a leased task may go unextended before it is delivered
	// again; it must be the source's. The worker extends a lease every third of
	// it and gives it up when two thirds went unconfirmed. Default 12 s; at
	// least 100 ms.
	AckWait time.Duration
	// Grace is how long running handlers may go on once Run's context is done,
	// before their contexts are cancelled with [ErrShutdown]. Default 30 s; a
	// negative one means none.
	Grace time.Duration
	// Stuck is how long a handler may go on after its context was cancelled,
	// before its attempt is settled without it and its slot replaced. Default
	// 10 s.
	Stuck time.Duration
	// MaxStuck is how many stuck handlers may still go on at a time; with one
	// more the worker drains and Run returns an error, since nothing but the end
	// of the process ends them. Default: Concurrency, so that the process holds
	// at most twice the handlers that it was made for.
	MaxStuck int
	// MaxLost is how many lost leases make a task a dead letter without another
	// run; all but the first [SuspectAfter] must have been lost while it ran
	// alone, so that no task is buried for what another did. Default 5.
	MaxLost int
	// Log gets one line per settled attempt. The zero logger is silent.
	Log zerolog.Logger
	// Metrics gets the worker's metrics. Default: none are registered.
	Metrics prometheus.Registerer
}

// A Worker runs the tasks of a [Source] with the handlers of a [Registry].
type Worker struct {
	options WorkerOptions
	types   map[string]*runnable
	metrics *metrics

	mu       sync.Mutex
	flows    []*flow // by priority, then by pool in turn
	wheel    *wheel
	held     map[*attempt]struct{} // every delivery that is not settled
	running  map[*attempt]struct{} // those that occupy a slot
	alone    *attempt              // a suspect that waits for, or has, the worker to itself
	settling int
	storing  int // bytes of the results of those
	slots    int
	stuck    int           // handlers that go on after their attempt was settled
	stopping bool          // starts no more tasks
	drained  bool          // hands back what comes
	changed  chan struct{} // has one element after something ended

	cancelled cancelledRuns

	paused atomic.Pointer[map[string]time.Time] // types, until when
	orders chan order
	spent  chan error    // has an element when too many handlers are stuck
	ended  chan struct{} // closed when Run returns
}

// A runnable is a type with its wrapped handler and its metrics.
type runnable struct {
	Definition
	handler Handler
	series  map[Priority]func() *series
}

// SuspectAfter is how many lost leases make a task a suspect, which runs alone.
const SuspectAfter = 2

const (
	maxSettling = 1024     // attempts whose outcome is on its way to the store
	maxStoring  = 64 << 20 // bytes of results on their way, plus one result
)

// NewWorker checks the options and returns a worker that is ready to Run once.
func NewWorker(o WorkerOptions) (*Worker, error) {
	if o.Source == nil || o.Registry == nil {
		return nil, errors.New("new worker: needs a Source and a Registry")
	}
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("new worker: %w", err)
	}
	w := &Worker{
		options: o, slots: o.Concurrency, wheel: newWheel(o.Weights),
		types: map[string]*runnable{},
		held:  map[*attempt]struct{}{}, running: map[*attempt]struct{}{},
		changed: make(chan struct{}, 1), orders: make(chan order), spent: make(chan error, 1), ended: make(chan struct{}),
	}
	for _, priority := range Priorities() {
		for i, pool := range o.Pools {
			if slices.Contains(o.Priorities, priority) && !slices.Contains(o.Pools[:i], pool) {
				w.flows = append(w.flows, &flow{queue: Queue{priority, pool}})
			}
		}
	}
	var err error
	if w.metrics, err = newMetrics(o.Metrics, w); err != nil {
		return nil, fmt.Errorf("new worker: register metrics: %w", err)
	}
	w.types[ProbeType] = probe(o.Name, w.metrics)
	for _, known := range o.Registry.Types() {
		if handler, definition := o.Registry.handler(known.Name); handler != nil {
			w.types[known.Name] = &runnable{definition, handler, w.metrics.seriesOf(known.Name)}
		}
	}
	return w, nil
}

func (o WorkerOptions) withDefaults() WorkerOptions {
	if o.Name == "" {
		host, _ := os.Hostname()
		o.Name = fmt.Sprintf("%s-%d", host, os.Getpid())
	}
	o.Concurrency = cmp.Or(o.Concurrency, 10)
	o.AckWait = cmp.Or(o.AckWait, 12*time.Second)
	o.Grace = cmp.Or(o.Grace, 30*time.Second)
	o.Stuck = cmp.Or(o.Stuck, 10*time.Second)
	o.MaxLost = cmp.Or(o.MaxLost, 5)
	o.MaxStuck = cmp.Or(o.MaxStuck, o.Concurrency)
	o.Weights = cmp.Or(o.Weights, defaultWeights)
	if o.Strict {
		o.Weights = strictWeights
	}
	if len(o.Pools) == 0 {
		o.Pools = []string{MainPool}
	}
	if len(o.Priorities) == 0 {
		o.Priorities = Priorities()
	}
	return o
}

func (o WorkerOptions) check() error {
	switch {
	case o.Concurrency < 1 || o.Concurrency > MaxSlots:
		return invalid("concurrency", "%d is not within 1 to %d", o.Concurrency, MaxSlots)
	case o.AckWait < 100*time.Millisecond:
		return invalid("ack_wait", "%v is less than 100ms", o.AckWait)
	case o.Stuck < 0:
		return invalid("stuck", "%v is negative", o.Stuck)
	case o.MaxStuck < 1:
		return invalid("max_stuck", "%d is less than 1", o.MaxStuck)
	case o.MaxLost < 1:
		return invalid("max_lost", "%d is less than 1", o.MaxLost)
	case o.Weights.High < 1 || o.Weights.Default < 1 || o.Weights.Low < 1:
		return invalid("weights", "%v: each must be at least 1", o.Weights)
	}
	for _, pool := range o.Pools {
		if !ValidName(pool) {
			return invalid("pools", "%q is not 1 to 128 letters, digits, _ or -", clip(pool))
		}
	}
	for _, priority := range o.Priorities {
		if !priority.Valid() {
			return invalid("priorities", "%q is none of high, default, low", clip(string(priority)))
		}
	}
	return nil
}

// Run works until ctx is done, then drains: it takes no more tasks, hands back
// those not started, waits for the running ones up to Grace, cancels what still
// runs with [ErrShutdown] and hands it back without spending an attempt. It
// returns nil after that, and an error when it drained since more handlers are
// stuck than MaxStuck. Handlers that ignore their cancelled context may outlive
// it.
func (w *Worker) Run(ctx context.Context) error {
	lasting := context.WithoutCancel(ctx)
	background, stop := context.WithCancel(lasting)
	var keeping sync.WaitGroup
	defer keeping.Wait()
	defer stop()
	defer close(w.ended)
	if err := w.listen(ctx, background, &keeping); err != nil || ctx.Err() != nil {
		return err
	}
	if err := w.begin(ctx, background); err != nil || ctx.Err() != nil {
		return err
	}
	keeping.Go(func() { w.keep(background) })
	w.dispatch()
	err := w.obey(ctx, background)
	w.drain(lasting)
	stop()
	w.await(w.options.AckWait, func() bool { return w.settling == 0 })
	return err
}

// Listen lets the source tell what is cancelled and paused, and returns when it
// has told what stands, or when ctx is done.
func (w *Worker) listen(ctx, background context.Context, keeping *sync.WaitGroup) error {
	ready, failed := make(chan struct{}), make(chan error, 1)
	keeping.Go(func() {
		if err := w.options.Source.Control(background, w, sync.OnceFunc(func() { close(ready) })); err != nil {
			failed <- err
		}
	})
	select {
	case <-ready:
		return nil
	case err := <-failed:
		return fmt.Errorf("hear what is cancelled and paused: %w", err)
	case <-ctx.Done():
		return nil
	}
}

// Begin opens the taps, and gives that up when ctx is done before.
func (w *Worker) begin(ctx, background context.Context) error {
	open, abort := context.WithCancel(background)
	armed := context.AfterFunc(ctx, abort)
	err := w.open(open)
	if !armed() {
		return nil
	}
	return err
}

// Open opens the taps that are not open.
func (w *Worker) open(ctx context.Context) error {
	w.mu.Lock()
	flows := slices.DeleteFunc(slices.Clone(w.flows), func(f *flow) bool { return f.tap != nil })
	w.mu.Unlock()
	running := context.WithoutCancel(ctx)
	for _, f := range flows {
		tap, err := w.options.Source.Open(ctx, f.queue, func(d *Delivery) { w.accept(ctx, running, f, d) })
		if err != nil {
			return fmt.Errorf("open queue %s: %w", f.queue, err)
		}
		w.mu.Lock()
		f.tap = tap
		w.mu.Unlock()
	}
	return nil
}
