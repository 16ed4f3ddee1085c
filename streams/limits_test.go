package streams_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"sparkle/embedded"
	"sparkle/streams"
	"sparkle/tasks"
)

// Lines is a log that a test can read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *lines) has(parts ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.SplitSeq(l.text.String(), "\n") {
		all := true
		for _, part := range parts {
			all = all && strings.Contains(line, part)
		}
		if all {
			return true
		}
	}
	return false
}

func (h *harness) telling(log *lines) *streams.Source {
	return streams.NewSource(h.Client, streams.SourceOptions{Topology: h.topology, Log: zerolog.New(log)})
}

func TestPublishNamesTheLimitThatRefusesIt(t *testing.T) {
	t.Parallel()
	h := newHarness(t, streams.Topology{})
	editStream(t, h.Client, "SPARKLE_TASKS", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 1024 })
	large := fmt.Appendf(nil, `{"text":%q}`, strings.Repeat("x", 2000))
	_, err := h.publisher(streams.PublisherOptions{}).Publish(h.ctx, tasks.Task{Type: "count", Payload: large})
	var api *jetstream.APIError
	if !errors.As(err, &api) || !strings.Contains(err.Error(), "stream SPARKLE_TASKS (limits: max_msg_size 1024)") || strings.Contains(err.Error(), "xxx") {
		t.Errorf("Publish of 2000 bytes = %v, want the stream and its limit named and no payload quoted", err)
	}
	if n := h.stored("SPARKLE_TASKS"); n != 0 {
		t.Errorf("%d messages stored, want none", n)
	}
}

// The storage that the server may use is full: what was acknowledged is stored,
// what was not is not, and there is room again once something is removed.
func TestAFullServerStoresWhatItAcknowledgesAndNothingElse(t *testing.T) {
	t.Parallel()
	server, err := embedded.New(embedded.Options{Store: t.TempDir(), MaxStore: 1 << 20, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	h := connected(t, server.URL())
	p := h.publisher(streams.PublisherOptions{Patience: 200 * time.Millisecond})
	payload := incompressible(50_000)
	acknowledged := 0
	for err == nil && acknowledged < 100 {
		if _, err = p.Publish(h.ctx, tasks.Task{Type: "count", Payload: payload}); err == nil {
			acknowledged++
		}
	}
	if err == nil || !strings.Contains(err.Error(), "the storage that JetStream may use is full") {
		t.Errorf("Publish on a full server = %v, want it to say so", err)
	}
	if n := h.stored("SPARKLE_TASKS"); int(n) != acknowledged || n < 5 {
		t.Errorf("%d messages stored, want the %d that were acknowledged", n, acknowledged)
	}
	stream, err := h.Client.JS().Stream(h.ctx, "SPARKLE_TASKS")
	if err != nil || stream.DeleteMsg(h.ctx, 1) != nil {
		t.Fatal("nothing removed")
	}
	h.until("there is room", func() bool {
		_, err := p.Publish(h.ctx, tasks.Task{Type: "count", Payload: payload})
		return err == nil
	})
}

// Each row fills the stream that a settlement needs. Meanwhile the lease is kept
// over several ack waits, so the handler runs once, and the log names the
// stream; with room the task ends as it would have.
func TestAnOutcomeWaitsForRoom(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		stream string
		err    error // of the handler
		want   tasks.State
	}{
		"a result, events are full":           {"SPARKLE_EVENTS", nil, tasks.Succeeded},
		"a retry, events are full":            {"SPARKLE_EVENTS", tasks.RetryAfter(0, errors.New("again")), tasks.Succeeded},
		"a burial, events are full":           {"SPARKLE_EVENTS", tasks.Permanent(errors.New("no luck")), tasks.Dead},
		"a burial, the dead letters are full": {"SPARKLE_DEAD", tasks.Permanent(errors.New("no luck")), tasks.Dead},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, shortLease)
			fill(h, row.stream)
			var runs atomic.Int64
			var r tasks.Registry
			tasks.Handle(&r, tasks.Type[number, number]{Name: "count"}, func(ctx context.Context, in number) (number, error) {
				runs.Add(1)
				if tasks.Current(ctx).Attempt > 1 {
					return in, nil
				}
				return in, row.err
			})
			var log lines
			h.work(&r, h.telling(&log))
			receipt := h.publish(tasks.Task{Type: "count", ID: "patient", Payload: []byte(`{"n":1}`)})
			h.until("the log tells what is full", func() bool {
				return log.has("not stored yet", "stream "+row.stream+":", "maximum messages exceeded")
			})
			passed := time.NewTimer(3 * shortLease.AckWait)
			<-passed.C
			if n := runs.Load(); n != 1 {
				t.Errorf("%d runs while nothing can be stored, want 1: the lease is kept", n)
			}
			editStream(t, h.Client, row.stream, func(c *jetstream.StreamConfig) { c.MaxMsgs = -1 })
			result := h.ended(receipt.ID, receipt.Run)
			h.drained()
			dead := 0
			if row.want == tasks.Dead {
				dead = 1
			}
			if result.State != row.want || len(h.deadLetters("patient")) != dead || int(runs.Load()) != result.Attempt {
				t.Errorf("ended %+v after %d runs with letters %+v, want %s with %d letters", result, runs.Load(), h.deadLetters("patient"), row.want, dead)
			}
		})
	}
}

// Fill makes a stream refuse at one message, and stores that one.
func fill(h *harness, name string) {
	h.t.Helper()
	subject := map[string]string{"SPARKLE_EVENTS": "sparkle.events.other.other", "SPARKLE_DEAD": "sparkle.dead.high.main.other.other"}[name]
	if _, err := h.Client.JS().Publish(h.ctx, subject, nil); err != nil {
		h.t.Fatal(err)
	}
	editStream(h.t, h.Client, name, func(c *jetstream.StreamConfig) { c.MaxMsgs, c.Discard = 1, jetstream.DiscardNew })
}

// A result that the stream of events can never take ends the run, with the
// limit as its error, instead of running it again and again.
func TestAResultBeyondTheStreamsLimitIsADeadLetter(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	editStream(t, h.Client, "SPARKLE_EVENTS", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 4096 })
	var r tasks.Registry
	var runs atomic.Int64
	tasks.Handle(&r, tasks.Type[number, string]{Name: "wordy"}, func(context.Context, number) (string, error) {
		runs.Add(1)
		return strings.Repeat("x", 8000), nil
	})
	h.work(&r, h.source())
	receipt := h.publish(tasks.Task{Type: "wordy", Payload: []byte(`{"n":1}`)})
	h.until("it is buried", func() bool { return len(h.deadLetters(receipt.ID)) == 1 })
	h.drained()
	info, err := h.Client.Task(h.ctx, receipt.ID)
	if err != nil || info.State != tasks.Dead || info.Reason != tasks.ReasonPermanent || runs.Load() != 1 ||
		!strings.Contains(info.Error, "result: 8002 bytes do not fit") || !strings.Contains(info.Error, "SPARKLE_EVENTS (limits: max_msgs_per_subject 200, max_msg_size 4096)") {
		t.Errorf("Task = %+v, %v after %d runs, want a dead letter that names the limit", info, err, runs.Load())
	}
}

// A limit that a retry does not fit keeps the task where it is, and the error
// names it; when the limit is raised the task goes on with its next attempt.
func TestARetryBeyondTheStreamsLimitIsNotLost(t *testing.T) {
	t.Parallel()
	h := newHarness(t, shortLease)
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[number, number]{Name: "count"}, func(ctx context.Context, in number) (number, error) {
		if tasks.Current(ctx).Attempt == 1 {
			editStream(t, h.Client, "SPARKLE_TASKS", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 20 })
			return in, tasks.RetryAfter(0, errors.New("again"))
		}
		return in, nil
	})
	var log lines
	h.work(&r, h.telling(&log), func(o *tasks.WorkerOptions) { o.Log = zerolog.New(&log) })
	receipt := h.publish(tasks.Task{Type: "count", ID: "kept", Payload: []byte(`{"n":1}`)})
	h.until("the log tells what refuses it", func() bool { return log.has("not settled", "stream SPARKLE_TASKS:", "10054") })
	if n := h.stored("SPARKLE_TASKS"); n != 1 {
		t.Errorf("%d messages in TASKS, want the task itself", n)
	}
	editStream(t, h.Client, "SPARKLE_TASKS", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 1 << 19 })
	if result := h.ended(receipt.ID, receipt.Run); result.State != tasks.Succeeded || result.Attempt != 2 {
		t.Errorf("ended %+v, want success at attempt 2", result)
	}
}
