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
// as well and prints what was acknowledged.
func child(role, where string) {
	ctx := context.Background()
	url := where
	if role == "dev" {
		server, err := embedded.New(embedded.Options{Store: where, Listen: "127.0.0.1:0"})
		must(err)
		url = server.URL()
	}
	nc, err := streams.Connect(streams.ConnectOptions{URL: url})
	must(err)
	client, err := streams.NewClient(nc, "")
	must(err)
	_, err = client.Ensure(ctx, shortLease)
	must(err)
	if role == "poisoned" {
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
