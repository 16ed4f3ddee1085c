package streams

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// A lease is a worker's hold on a message of TASKS.
type lease struct {
	claim
	source    *Source
	header    nats.Header
	reply     string
	malformed error
	handed    tasks.Delivery // to the worker
}

func (l *lease) delivery() *tasks.Delivery {
	l.handed = tasks.Delivery{
		Task: l.Task, Load: l.payload(), Run: l.run, Attempt: l.attempt, Lost: l.lost(), Alone: l.alone, Ready: l.ready, Lease: l,
	}
	return &l.handed
}

// Extend implements [tasks.Lease]: the server's answer is awaited, since a
// published extension alone proves nothing.
func (l *lease) Extend(ctx context.Context) error {
	if _, err := l.source.nc.RequestWithContext(ctx, l.reply, []byte("+WPI")); err != nil {
		return fmt.Errorf("extend lease of %s: %w", l.ID, err)
	}
	return nil
}

// Report implements [tasks.Lease]. The repeated ones vanish by themselves.
func (l *lease) Report(r tasks.Report) {
	e := l.event(&tasks.Outcome{State: tasks.Running, Worker: r.Worker, Started: r.Started})
	e.Detail = Detail{Fraction: r.Fraction, Note: r.Note}
	m, err := e.message(l.source.ns)
	if err != nil || !l.source.nc.IsConnected() {
		return
	}
	if !r.First {
		m.Header.Set(jetstream.MsgTTLHeader, reportTTL)
	}
	_, _ = l.source.js.PublishMsgAsync(m) // best effort, as its contract says
}

// ReportTTL is how long a repeated report is kept: longer than the next one
// takes to come, so that a task's progress stays readable while it runs.
const reportTTL = "1m"

// Settle implements [tasks.Lease].
func (l *lease) Settle(ctx context.Context, o tasks.Outcome) error {
	if err := l.source.step("event"); err != nil {
		return err
	}
	event, err := l.event(&o), error(nil)
	if event.Body, err = l.packResult(ctx, &o); err != nil {
		return fmt.Errorf("store the result of %s: %w", l.ID, err)
	}
	err = l.source.append(ctx, event)
	if o.State == tasks.Succeeded && tooLarge(err) {
		o = l.unstorable(ctx, o, err)
		err = l.source.append(ctx, l.event(&o))
	}
	if err != nil {
		return fmt.Errorf("store outcome %s of %s: %w", o.State, l.ID, err)
	}
	if err := l.source.step("follow"); err != nil {
		return err
	}
	if o.State == tasks.Returned && l.worn() {
		o.State, o.At = tasks.Scheduled, time.Now()
	}
	if err := l.source.follow(ctx, l.claim, o); err != nil {
		return fmt.Errorf("settle %s as %s: %w", l.ID, o.State, err)
	}
	if err := l.source.step("ack"); err != nil {
		return err
	}
	if o.State == tasks.Returned {
		return l.answer("-NAK")
	}
	return l.ack()
}

// Succeed implements [tasks.Lease]: the event is stored with those of other
// leases, and who stores them sends the acknowledgement.
func (l *lease) Succeed(ctx context.Context, o *tasks.Outcome, then func(error)) {
	settle := func() { then(l.Settle(ctx, *o)) }
	m, ok := l.success(o)
	if !ok {
		go settle()
		return
	}
	l.source.journal.put(m, func(err error) {
		if err != nil {
			go settle()
			return
		}
		then(l.ack())
	})
}

// Success returns the event of a result that can be stored with others. It is
// false where there is more to do, or where nothing can be done at once.
func (l *lease) success(o *tasks.Outcome) (m *nats.Msg, ok bool) {
	event := l.event(o)
	body, large, err := l.writeResult(o)
	if err != nil || large || l.source.fault != nil || !l.source.nc.IsConnected() {
		return nil, false
	}
	event.Body = body
	m, err = event.message(l.source.ns)
	return m, err == nil
}

// Unstorable is what becomes of a result that the stream of events does not take:
// running the task again would bring no smaller one.
func (l *lease) unstorable(ctx context.Context, o tasks.Outcome, err error) tasks.Outcome {
	return tasks.Outcome{
		State: tasks.Dead, Reason: tasks.ReasonPermanent, Worker: o.Worker, Started: o.Started, Ended: o.Ended,
		Error: fmt.Sprintf("result: %d bytes do not fit: %v", len(o.Result), l.source.explain(ctx, err, l.source.ns.Event(l.Type, l.ID))),
	}
}

// Worn reports that half of the deliveries that the server grants a message are
// used up. Handed back, such a task is published anew instead of returned to its
// place in line, for the server must not give up a task that nobody lost.
func (l *lease) worn() bool {
	return 2*l.number >= l.source.options.Topology.withDefaults().MaxDeliver
}

// Step is where tests let a process die.
func (s *Source) step(name string) error {
	if s.fault == nil {
		return nil
	}
	return s.fault(name)
}

// Ack is not confirmed: when it is lost the task comes again, and its outcome is
// found.
func (l *lease) ack() error { return l.answer("+ACK") }

func (l *lease) answer(word string) error {
	if err := l.source.nc.Publish(l.reply, []byte(word)); err != nil {
		return fmt.Errorf("answer %s for %s: %w", word, l.ID, err)
	}
	return nil
}
