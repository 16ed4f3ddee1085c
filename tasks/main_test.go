package tasks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"sparkle/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBoom = errors.New("boom")

// ackWait is the default of worker and Memory.
const ackWait = 12 * time.Second

// Input of the tests' types.
type note struct {
	Text string `json:"text"`
}

// Handling returns a registry whose one type, t, is handled by fn.
func handling(t tasks.Type[note, note], fn func(ctx context.Context) error) *tasks.Registry {
	if t.Name == "" {
		t.Name = "work"
	}
	r := new(tasks.Registry)
	tasks.Handle(r, t, func(ctx context.Context, in note) (note, error) { return in, fn(ctx) })
	return r
}

// Pause works for a while, unless ctx is done first.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A rig is a worker over a Memory, in virtual time. Set what a test needs before
// start.
type rig struct {
	*testing.T
	memory *tasks.Memory
	worker *tasks.Worker
	logged logs
	stop   func() // drains; the rig does so at the latest when the test ends
}

func start(t *testing.T, o tasks.WorkerOptions) *rig {
	t.Helper()
	r := &rig{T: t, memory: tasks.NewMemory(tasks.MemoryOptions{})}
	r.start(o)
	return r
}

// Start runs a worker over the rig's Memory, or over the source of the options.
func (r *rig) start(o tasks.WorkerOptions) {
	r.Helper()
	if o.Source == nil {
		o.Source = r.memory
	}
	o.Log = zerolog.New(&r.logged)
	if o.Name == "" {
		o.Name = "w1"
	}
	worker, err := tasks.NewWorker(o)
	if err != nil {
		r.Fatalf("NewWorker: %v", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	ended := make(chan error, 1)
	r.worker = worker
	go func() { ended <- worker.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			r.Errorf("Run() = %v, want nil", err)
		}
	})
	r.Cleanup(r.stop)
	synctest.Wait()
}

// Publish stores a task of type work, or of the type it names.
func (r *rig) publish(t tasks.Task) string {
	r.Helper()
	if t.Type == "" {
		t.Type = "work"
	}
	if t.Payload == nil {
		t.Payload = []byte(`{"text":"secret"}`)
	}
	id, _, err := r.memory.Publish(r.Context(), t)
	if err != nil {
		r.Fatalf("Publish(%+v) = %v, want nil", t, err)
	}
	return id
}

// Passes lets virtual time go by.
func passes(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// WantHistory compares the events of an id, as state/attempt.
func (r *rig) wantHistory(id, want string) {
	r.Helper()
	var got []string
	for _, e := range r.memory.Events(id) {
		if e.State != tasks.Running {
			got = append(got, fmt.Sprintf("%s/%d", e.State, e.Attempt))
		}
	}
	if s := strings.Join(got, " "); s != want {
		r.Errorf("history of %s (state/attempt) = %q, want %q", id, s, want)
	}
}

// Last returns the outcome of the last event of an id.
func (r *rig) last(id string) tasks.Outcome {
	r.Helper()
	events := r.memory.Events(id)
	if len(events) == 0 {
		r.Fatalf("Events(%s) is empty", id)
	}
	return events[len(events)-1].Outcome
}

// Logs collects log lines. It is safe for concurrent use.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Find returns the first line with this message, nil when there is none.
func (l *logs) find(message string) map[string]any {
	for line := range strings.Lines(l.String()) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil && fields["message"] == message {
			return fields
		}
	}
	return nil
}

// A spy sees, and where it has a function breaks, what passes between a worker
// and its source.
type spy struct {
	tasks.Source
	extend func(ctx context.Context, d *tasks.Delivery, extend func(context.Context) error) error
	settle func(ctx context.Context, o tasks.Outcome, settle func(context.Context, tasks.Outcome) error) error
	drain  func(ctx context.Context) error

	hesitate int // how often a report lets others run first

	mu       sync.Mutex
	extended int
	late     int // reports that came after the outcome
	reports  []tasks.Report
	settled  []tasks.State
}

func (s *spy) Open(ctx context.Context, q tasks.Queue, deliver func(*tasks.Delivery)) (tasks.Tap, error) {
	tap, err := s.Source.Open(ctx, q, func(d *tasks.Delivery) {
		d.Lease = &spiedLease{Lease: d.Lease, spy: s, of: d}
		deliver(d)
	})
	return &spiedTap{tap, s}, err
}

type spiedTap struct {
	tasks.Tap
	spy *spy
}

func (t *spiedTap) Drain(ctx context.Context) error {
	if t.spy.drain != nil {
		return t.spy.drain(ctx)
	}
	return t.Tap.Drain(ctx)
}

type spiedLease struct {
	tasks.Lease
	spy     *spy
	of      *tasks.Delivery
	settled bool // guarded by the spy's mutex
}

func (l *spiedLease) Extend(ctx context.Context) error {
	l.spy.mu.Lock()
	l.spy.extended++
	l.spy.mu.Unlock()
	if l.spy.extend != nil {
		return l.spy.extend(ctx, l.of, l.Lease.Extend)
	}
	return l.Lease.Extend(ctx)
}

func (l *spiedLease) Report(r tasks.Report) {
	for range l.spy.hesitate {
		runtime.Gosched()
	}
	l.spy.mu.Lock()
	l.spy.reports = append(l.spy.reports, r)
	if l.settled {
		l.spy.late++
	}
	l.spy.mu.Unlock()
	l.Lease.Report(r)
}

func (l *spiedLease) Settle(ctx context.Context, o tasks.Outcome) error {
	l.spy.mu.Lock()
	l.spy.settled = append(l.spy.settled, o.State)
	l.settled = true
	l.spy.mu.Unlock()
	if l.spy.settle != nil {
		return l.spy.settle(ctx, o, l.Lease.Settle)
	}
	return l.Lease.Settle(ctx, o)
}

func (l *spiedLease) Succeed(ctx context.Context, o *tasks.Outcome, then func(error)) {
	if l.spy.settle != nil { // it may block
		go func() { then(l.Settle(ctx, *o)) }()
		return
	}
	then(l.Settle(ctx, *o))
}

// Seen returns how often a lease was extended, and what was reported and
// settled.
func (s *spy) seen() (extended int, reports []tasks.Report, settled []tasks.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.extended, append([]tasks.Report(nil), s.reports...), append([]tasks.State(nil), s.settled...)
}
