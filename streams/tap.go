package streams

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"sparkle/tasks"
)

// A tap pulls one queue's tasks for one worker. The client's own Consume holds
// messages in a buffer whose leases nobody extends, and its Fetch loses what is
// on its way when it is cancelled; a tap keeps an exact count and drains.
type tap struct {
	source  *Source
	queue   tasks.Queue
	subject string // of the pull requests
	deliver func(*tasks.Delivery)
	ctx     context.Context // bounds the look-ups that messages start
	sub     *nats.Subscription
	inbox   string
	closed  chan struct{}  // the subscription has ended
	looking sync.WaitGroup // look-ups that may still deliver

	mu       sync.Mutex
	want     int // tasks that may come
	asked    int // of them, those that the server was asked for
	request  int
	heard    time.Time
	reset    time.Time // no new request before
	draining bool
	gone     bool // the server has no such consumer
}

const (
	pullExpires   = 5 * time.Second
	pullHeartbeat = time.Second
	pullCheck     = 500 * time.Millisecond
	pullPause     = time.Second // after the server refused a pull
)

func (s *Source) tap(ctx context.Context, q tasks.Queue, deliver func(*tasks.Delivery)) (*tap, error) {
	t := &tap{
		source: s, queue: q, deliver: deliver, ctx: ctx, inbox: s.nc.NewInbox(), closed: make(chan struct{}),
		subject: "$JS.API.CONSUMER.MSG.NEXT." + s.ns.Stream("TASKS") + "." + q.String(),
	}
	var err error
	if t.sub, err = s.nc.Subscribe(t.inbox+".*", t.on); err != nil {
		return nil, wrap("subscribe for", "queue "+q.String(), err)
	}
	t.sub.SetClosedHandler(func(string) { close(t.closed) })
	// What comes is bounded by what was asked for.
	if err := t.sub.SetPendingLimits(-1, -1); err != nil {
		return nil, wrap("subscribe for", "queue "+q.String(), err)
	}
	go t.check(ctx)
	return t, nil
}

// Want implements [tasks.Tap].
func (t *tap) Want(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.want = n
	if t.asked <= n/2 {
		t.pull()
	}
}

// Pull asks the server for what is wanted and not asked for yet.
func (t *tap) pull() {
	batch := t.want - t.asked
	if batch <= 0 || t.draining || time.Now().Before(t.reset) || !t.source.nc.IsConnected() {
		return
	}
	t.request++
	request, err := json.Marshal(map[string]int64{
		"batch": int64(batch), "expires": int64(pullExpires), "idle_heartbeat": int64(pullHeartbeat),
	})
	if err != nil {
		return
	}
	if err := t.source.nc.PublishRequest(t.subject, t.inbox+"."+strconv.Itoa(t.request), request); err != nil {
		return // the check tries again
	}
	t.asked += batch
	t.heard = time.Now()
}

// On takes what the server sends: tasks, heartbeats, and the ends of requests.
func (t *tap) on(m *nats.Msg) {
	status := m.Header.Get("Status")
	task := m.Reply != "" && status == ""
	t.mu.Lock()
	t.heard = time.Now()
	t.source.pulls.Store(t.heard.UnixNano())
	switch {
	case task:
		t.asked = max(t.asked-1, 0)
		t.want = max(t.want-1, 0)
	case status == "100":
	default:
		t.ended(m, status)
	}
	t.mu.Unlock()
	if task {
		t.receive(m)
	}
}

// Ended takes the end of a request: 408 when it expired, with what it did not
// bring; anything else means that the server has forgotten all of them.
func (t *tap) ended(m *nats.Msg, status string) {
	left, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages"))
	if status == "408" && err == nil {
		t.asked = max(t.asked-left, 0)
		t.pull()
		return
	}
	t.asked = 0
	t.reset = time.Now().Add(pullPause)
	t.gone = status == "503" || strings.Contains(m.Header.Get("Description"), "Consumer Deleted")
	t.source.options.Log.Debug().Stringer("queue", t.queue).Str("status", status).
		Str("description", m.Header.Get("Description")).Msg("pull ended")
}

// Check finds requests that the server no longer knows: after a reconnect and
// when its heartbeats stay away.
func (t *tap) check(ctx context.Context) {
	ticker := time.NewTicker(pullCheck)
	defer ticker.Stop()
	reconnects := t.source.nc.Stats().Reconnects
	for {
		select {
		case <-ctx.Done():
			_ = t.sub.Unsubscribe() // the connection may be gone, which ends it too
			return
		case <-t.closed:
			return
		case <-ticker.C:
		}
		now := t.source.nc.Stats().Reconnects
		t.bind(ctx)
		t.mu.Lock()
		if now != reconnects || (t.asked > 0 && time.Since(t.heard) > 3*pullHeartbeat) {
			t.asked, reconnects = 0, now
		}
		t.pull()
		t.mu.Unlock()
	}
}

// Bind makes the consumer anew where somebody has deleted it, so that its tasks
// do not wait for ever.
func (t *tap) bind(ctx context.Context) {
	t.mu.Lock()
	gone := t.gone && !t.draining
	t.mu.Unlock()
	if !gone {
		return
	}
	if err := t.source.ensure(ctx, t.queue); err != nil {
		t.source.options.Log.Warn().Stringer("queue", t.queue).Err(err).Msg("no consumer to pull from")
		return
	}
	t.mu.Lock()
	t.gone = false
	t.mu.Unlock()
}

// Drain implements [tasks.Tap]: the server stops sending before the last task
// that it has sent is handed over, so no lease is lost on the way.
func (t *tap) Drain(ctx context.Context) error {
	t.mu.Lock()
	t.draining = true
	t.mu.Unlock()
	if err := t.sub.Drain(); err != nil {
		return wrap("drain", "queue "+t.queue.String(), err)
	}
	select {
	case <-t.closed:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	t.looking.Wait()
	return nil
}
