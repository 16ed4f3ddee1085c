package streams

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"sparkle/tasks"
)

// A lane publishes its share of a bulk, one batch of fast ingest after the other.
// A batch that breaks off leaves tasks that are not known to be stored: they are
// published one by one, which finds out.
type lane struct {
	*bulk
	in      chan BulkTask
	inbox   string
	replies chan *nats.Msg
	leave   func()
	timer   *time.Timer

	ingest *ingest  // nil between batches
	open   []sealed // not known to be stored, oldest first
	bytes  int      // payloads of those
	single bool     // the next tasks are published one by one
}

// A sealed is a task with its message.
type sealed struct {
	envelope
	tag     int
	chosen  bool // its id is the caller's
	sent    bool
	message *nats.Msg
}

const (
	laneAhead = 256                  // tasks that wait for their turn
	laneOpen  = 2 * ingestFlow       // tasks that are published one by one before batches are tried again
	laneBytes = 4 << 20              // payloads on their way
	laneIdle  = 5 * time.Millisecond // without a task, after which the open batch ends
)

func newLane(b *bulk) (*lane, error) {
	l := &lane{
		bulk: b, in: make(chan BulkTask, laneAhead), inbox: b.publisher.nc.NewInbox(),
		replies: make(chan *nats.Msg, 8*ingestFlow), timer: time.NewTimer(0),
	}
	subscription, err := b.publisher.nc.ChanSubscribe(l.inbox+".>", l.replies)
	if err != nil {
		return nil, err
	}
	l.leave = func() {
		l.timer.Stop()
		_ = subscription.Unsubscribe() // of a closed connection
	}
	return l, nil
}

// Run publishes until in is closed. What was begun is brought to its end though
// ctx is done.
func (l *lane) run(ctx context.Context) {
	for {
		item, ok := l.next(ctx)
		if !ok {
			break
		}
		if ctx.Err() != nil {
			l.tell(untried(item))
		} else {
			l.add(ctx, item)
		}
		if isLarge(item) {
			<-l.large
		}
	}
	l.flush(ctx)
}

// Next returns the next task, and takes in answers while there is none.
func (l *lane) next(ctx context.Context) (BulkTask, bool) {
	select {
	case item, ok := <-l.in:
		return item, ok
	default:
	}
	l.timer.Reset(laneIdle)
	for {
		select {
		case item, ok := <-l.in:
			return item, ok
		case m := <-l.replies:
			l.read(m)
		case <-l.timer.C:
			l.flush(ctx)
		}
	}
}

// Add publishes a task in the open batch, or leaves it for the next round of
// those that are published one by one.
func (l *lane) add(ctx context.Context, item BulkTask) {
	s, err := l.seal(ctx, item)
	if err != nil {
		l.tell(BulkOutcome{Tag: item.Tag, Receipt: s.receipt(), Err: err})
		return
	}
	l.open = append(l.open, s)
	l.bytes += len(s.message.Data)
	gone := l.single || l.send()
	if !gone || l.broken() || l.bytes > laneBytes || l.single && len(l.open) >= laneOpen {
		l.flush(ctx)
	}
}

// Seal checks a task and builds its message.
func (l *lane) seal(ctx context.Context, item BulkTask) (sealed, error) {
	p := l.publisher
	e, chosen, err := p.prepare(ctx, item.Task)
	s := sealed{envelope: e, tag: item.Tag, chosen: chosen}
	if err != nil {
		s.Task = item.Task
		return s, err
	}
	if err := p.depths.check(ctx, p.Client, tasks.Queue{Priority: e.Priority, Pool: e.Pool}, p.options.MaxDepth); err != nil {
		return s, fmt.Errorf("publish %s: %w", e.Type, err)
	}
	if s.message, err = p.seal(ctx, e); err != nil {
		return s, fmt.Errorf("publish %s %s: %w", e.Type, e.ID, err)
	}
	s.Payload = nil // the message has it, or its blob
	if chosen {
		guard(p.ns, s.message, e.ID, 0)
	}
	return s, nil
}

// Send sends the last open task in the open batch, a new one where there is none.
func (l *lane) send() bool {
	if l.ingest == nil {
		l.ingest = newIngest(l.publisher.nc, l.inbox)
	}
	last := &l.open[len(l.open)-1]
	if l.ingest.send(last.message) != nil {
		return false
	}
	last.sent = true
	for l.ingest.full() && !l.broken() {
		if !l.await() {
			l.ingest.err = nats.ErrTimeout
		}
	}
	for {
		select {
		case m := <-l.replies:
			l.read(m)
		default:
			return true
		}
	}
}

func (l *lane) broken() bool { return l.ingest != nil && (l.ingest.err != nil || l.ingest.ended) }

// Await takes in an answer; false when none came in time.
func (l *lane) await() bool {
	l.timer.Reset(pubAckWait)
	select {
	case m := <-l.replies:
		l.read(m)
		return true
	case <-l.timer.C:
		return false
	}
}

// Read takes in an answer and tells what it says is stored.
func (l *lane) read(m *nats.Msg) {
	if l.ingest == nil {
		return // to a batch that has ended
	}
	if l.ingest.read(m); l.ingest.stored > l.ingest.told {
		l.stored()
	}
}

// Stored tells of the tasks that the server has.
func (l *lane) stored() {
	n := int(l.ingest.stored - l.ingest.told)
	l.ingest.told = l.ingest.stored
	for _, s := range l.open[:n] {
		l.bytes -= len(s.message.Data)
		l.tell(BulkOutcome{Tag: s.tag, Receipt: s.receipt()})
	}
	left := copy(l.open, l.open[n:])
	clear(l.open[left:])
	l.open = l.open[:left]
}

// Flush ends the open batch, and finds out of every open task what became of it.
func (l *lane) flush(ctx context.Context) {
	certain := true // that what is open is not stored
	if g := l.ingest; g != nil {
		if g.sent > 0 && g.close() == nil {
			for !g.ended && l.await() {
			}
		}
		certain = g.ended && g.exact
		l.ingest = nil
	}
	l.single = l.each(ctx, certain)
	clear(l.open)
	l.open, l.bytes = l.open[:0], 0
}

func untried(item BulkTask) BulkOutcome {
	return BulkOutcome{Tag: item.Tag, Receipt: Receipt{ID: item.Task.ID, Type: item.Task.Type}, Err: ErrNotTried}
}
