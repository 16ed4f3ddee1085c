package streams_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sparkle/embedded"
	"sparkle/streams"
	"sparkle/tasks"
)

// ChildRole makes the test's own program the process that a test kills.
const childRole = "SPARKLE_TEST_CHILD"

// Child runs a worker until it is killed: role "worker" on the server at URL,
// role "dev" together with a server of its own on the store, where it publishes
// as well and prints what was acknowledged; role "blob" publishes a large task and
// hangs at the step that stands behind the URL; role "replay" replays the dead
// letters on the server at URL; role "batch" publishes batches there; role "crew"
// works with many slots; role "serve" is a server with its store, address and size.
func child(role, where string) {
	ctx := context.Background()
	url, info, _ := strings.Cut(where, " ")
	if role == "serve" {
		var o embedded.Options
		_, err := fmt.Sscan(where, &o.Store, &o.Listen, &o.MaxStore)
		must(err)
		server, err := embedded.New(o)
		must(err)
		fmt.Println(server.URL())
		select {}
	}
	if role == "dev" {
		server, err := embedded.New(embedded.Options{Store: where, Listen: "127.0.0.1:0"})
		must(err)
		url = server.URL()
	}
	nc, err := streams.Connect(streams.ConnectOptions{URL: url})
	must(err)
	client, err := streams.NewClient(nc, "")
	must(err)
	if role == "crew" {
		crewChild(client)
	}
	_, err = client.Ensure(ctx, shortLease)
	must(err)
	switch role {
	case "blob":
		publishLarge(ctx, client, info)
	case "replay":
		replayer := streams.NewReplayer(streams.NewPublisher(client, streams.PublisherOptions{}), streams.ReplayOptions{})
		must(replayer.ReplayAll(ctx, streams.DeadFilter{}, func(r streams.ReplayResult) { fmt.Println(r.Outcome, r.Run) }))
		return
	case "batch":
		publishBatches(ctx, client)
	case "poisoned":
		poisonedChild(client)
		return
	}
	registry := killable(client, func() {
		fmt.Println("started")
		select {}
	})
	w, err := tasks.NewWorker(tasks.WorkerOptions{
		Source:   streams.NewSource(client, streams.SourceOptions{Topology: shortLease}),
		Registry: registry, AckWait: shortLease.AckWait,
	})
	must(err)
	if role == "dev" {
		go publishForEver(client)
	}
	must(w.Run(ctx))
}

// CrewChild tells of each handler that it started, none of which ends.
func crewChild(client *streams.Client) {
	w, err := crewWorker(client, func(context.Context, number) (number, error) {
		fmt.Println("started")
		select {}
	})
	must(err)
	must(w.Run(context.Background()))
}

func must(err error) {
	if err != nil {
		fmt.Println("child:", err)
		os.Exit(1)
	}
}

func publishForEver(client *streams.Client) {
	p := streams.NewPublisher(client, streams.PublisherOptions{})
	for i := 0; ; i++ {
		receipt, err := p.Publish(context.Background(), tasks.Task{Type: "count", Payload: fmt.Appendf(nil, `{"n":%d}`, i)})
		must(err)
		fmt.Println("acknowledged", receipt.ID)
		if i == 100 {
			_, err := p.Publish(context.Background(), tasks.Task{Type: "hang", ID: "hang", Payload: []byte(`{"n":1}`)})
			must(err)
		}
	}
}

// PublishLarge is a child's part: it prints the step and hangs there.
func publishLarge(ctx context.Context, client *streams.Client, step string) {
	client.Fault(func(at string) error {
		if at == step {
			fmt.Println("at", step)
			select {}
		}
		return nil
	})
	_, err := streams.NewPublisher(client, streams.PublisherOptions{}).
		Publish(ctx, tasks.Task{Type: "carry", ID: "big", Payload: incompressible(700 << 10)})
	must(err)
}

// Killable has a type whose handlers call hang, and one whose effect is an entry
// of the ledger, once for each run.
func killable(client *streams.Client, hang func()) *tasks.Registry {
	var r tasks.Registry
	tasks.Handle(&r, tasks.Type[number, number]{Name: "hang"}, func(_ context.Context, in number) (number, error) {
		hang()
		return in, nil
	})
	ledger := streams.NewLedger(client)
	tasks.Handle(&r, tasks.Type[number, number]{Name: "count"}, func(ctx context.Context, in number) (number, error) {
		_, _, err := ledger.Record(ctx, "counted", "m", tasks.Current(ctx).Run, []byte(tasks.Current(ctx).ID))
		return in, err
	})
	return &r
}

func childCommand(role, where string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childRole+"="+role+" "+where)
	return cmd
}

// Spawn starts a child and passes on its lines; the test kills it at the latest
// when it ends.
func spawn(t *testing.T, role, where string) (*exec.Cmd, <-chan string) {
	t.Helper()
	cmd := childCommand(role, where)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100_000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			lines <- scan.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be dead already
		<-done
		_ = cmd.Wait() // says that it was killed
	})
	return cmd, lines
}

// SpawnServer starts a server in a process of its own, and returns its URL. One
// that is stopped or full while it stores a batch keeps goroutines.
func spawnServer(t *testing.T, store, address string, size int) (*exec.Cmd, string) {
	t.Helper()
	cmd, lines := spawn(t, "serve", fmt.Sprint(store, " ", address, " ", size))
	url := <-lines
	if !strings.HasPrefix(url, "nats://") {
		t.Fatalf("the server says %q, want its URL", url)
	}
	return cmd, url
}

func next(t *testing.T, lines <-chan string, want string) {
	t.Helper()
	for line := range lines {
		if line == want {
			return
		}
		if strings.HasPrefix(line, "child:") {
			t.Fatal(line)
		}
	}
	t.Fatalf("the child ended before it printed %q", want)
}

func TestKillNineOfAWorkerLosesNoTask(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	server := listening(t, store, "127.0.0.1:0")
	h := connected(t, server.URL())
	cmd, lines := spawn(t, "worker", server.URL())
	receipt := h.publish(tasks.Task{Type: "hang", ID: "hang", Payload: []byte(`{"n":1}`)})
	next(t, lines, "started")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var runs atomic.Int64
	h.work(killable(h.Client, func() { runs.Add(1) }), h.source())
	result := h.ended(receipt.ID, receipt.Run)
	info, err := h.Client.Task(h.ctx, "hang")
	if err != nil || result.State != tasks.Succeeded || result.Attempt != 1 || runs.Load() != 1 || info.Lost != 1 {
		t.Errorf("ended %+v after %d runs here with %d lost leases (%v); want success at attempt 1 with one lost", result, runs.Load(), info.Lost, err)
	}
}

// All of it in one process, killed in the middle and started again on its store:
// what was acknowledged is there and takes effect once.
func TestKillNineOfTheWholeProcessLosesNothing(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	cmd, lines := spawn(t, "dev", store)
	acknowledged := map[string]bool{}
	for line := range lines {
		if id, ok := strings.CutPrefix(line, "acknowledged "); ok {
			acknowledged[id] = true
		} else if strings.HasPrefix(line, "child:") {
			t.Fatal(line)
		}
		if line == "started" || len(acknowledged) > 2000 {
			break
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for line := range lines {
		if id, ok := strings.CutPrefix(line, "acknowledged "); ok {
			acknowledged[id] = true
		}
	}
	server := listening(t, store, "127.0.0.1:0")
	h := connected(t, server.URL())
	h.work(killable(h.Client, func() {}), h.source())
	h.drained()
	effects := map[string]int{}
	if err := streams.NewLedger(h.Client).Entries(h.ctx, "counted", func(_ time.Time, id []byte) { effects[string(id)]++ }); err != nil {
		t.Fatal(err)
	}
	for id := range acknowledged {
		if effects[id] != 1 {
			t.Errorf("task %s took effect %d times, want once", id, effects[id])
		}
	}
	if result := h.ended("hang", ""); result.State != tasks.Succeeded {
		t.Errorf("the task that was running ended %+v, want success", result)
	}
	if len(acknowledged) < 100 {
		t.Errorf("only %d tasks were acknowledged, want a load", len(acknowledged))
	}
}

func TestKillNineOfAReplayRunsEachLetterOnce(t *testing.T) {
	t.Parallel()
	const n = 400
	server := listening(t, t.TempDir(), "127.0.0.1:0")
	h := connected(t, server.URL())
	h.letters(n)
	var seen runs
	h.work(seen.registry(failZero), h.source())
	cmd, lines := spawn(t, "replay", server.URL())
	for range n / 4 {
		if line := <-lines; !strings.HasPrefix(line, "replayed ") {
			t.Fatalf("the child says %q, want a letter replayed", line)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	h.drained()
	left := 0
	err := h.replayer(streams.ReplayOptions{}).ReplayAll(h.ctx, streams.DeadFilter{}, func(r streams.ReplayResult) {
		if left++; r.Outcome != streams.Replayed {
			t.Errorf("the second replay tells %+v, want each letter replayed", r)
		}
	})
	h.drained()
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if err != nil || len(seen.of) != n || left == 0 {
		t.Errorf("%d runs of %d letters, %d of them replayed by the second (%v); want a run for each", len(seen.of), n, left, err)
	}
}

// A publisher that is killed while it sends leaves whole batches alone.
func TestKillNineOfAPublisherLeavesWholeBatches(t *testing.T) {
	t.Parallel()
	server := listening(t, t.TempDir(), "127.0.0.1:0")
	h := connected(t, server.URL())
	for round := range 5 {
		cmd, lines := spawn(t, "batch", server.URL())
		for range 1 + round {
			next(t, lines, "stored")
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for range lines { // until it has died
		}
	}
	list, err := h.Client.Tasks(h.ctx, streams.ListFilter{Limit: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[string]int{}
	for _, task := range list {
		sizes[task.User]++
	}
	for batch, size := range sizes {
		if size != killedBatch {
			t.Errorf("%d tasks of batch %s are stored, want none or %d", size, batch, killedBatch)
		}
	}
	if len(sizes) < 15 {
		t.Errorf("%d batches are stored, want the 15 that were acknowledged at the least", len(sizes))
	}
}

const killedBatch = 500

// PublishBatches publishes batches, each with a user of its own, until it is
// killed.
func publishBatches(ctx context.Context, client *streams.Client) {
	p := streams.NewPublisher(client, streams.PublisherOptions{})
	for i := 0; ; i++ {
		batch := batchOf(killedBatch, made)
		user := fmt.Sprint(time.Now().UnixNano(), "-", i)
		for j := range batch {
			batch[j].User = user
		}
		_, err := p.PublishBatch(ctx, batch)
		must(err)
		fmt.Println("stored")
	}
}
