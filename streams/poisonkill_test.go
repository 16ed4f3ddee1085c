package streams_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"sparkle/streams"
	"sparkle/tasks"
)

// Poisoned has a handler for each way in which a task harms its process, and
// one for the innocent ones around it.
func poisoned() *tasks.Registry {
	var r tasks.Registry
	poison := func(name string, do func()) {
		kind := tasks.Type[number, number]{Name: name, Timeout: 200 * time.Millisecond, Retry: tasks.Retry{Attempts: 1}}
		tasks.Handle(&r, kind, func(_ context.Context, in number) (number, error) {
			do()
			return in, nil
		})
	}
	poison("exit", func() { os.Exit(3) })
	poison("hog", exhaustMemory)
	poison("spin", func() {
		for spun := 0; ; spun++ {
			_ = spun
		}
	})
	tasks.Handle(&r, tasks.Type[number, number]{Name: "innocent"}, echo)
	return &r
}

// ExhaustMemory takes memory until the system gives no more, which ends the
// process: the limit is that of the whole process, as of a container.
func exhaustMemory() {
	var used syscall.Rlimit
	must(syscall.Getrlimit(syscall.RLIMIT_DATA, &used))
	used.Cur = 1 << 20
	must(syscall.Setrlimit(syscall.RLIMIT_DATA, &used))
	debug.SetGCPercent(-1)
	var hoard [][]byte
	for range 1000 {
		hoard = append(hoard, make([]byte, 64<<20))
		runtime.KeepAlive(hoard)
	}
	os.Exit(2) // where the system has no such limit
}

// PoisonedChild is a worker whose process a supervisor starts again whenever it
// died.
func poisonedChild(client *streams.Client) {
	w, err := tasks.NewWorker(tasks.WorkerOptions{
		Source:   streams.NewSource(client, streams.SourceOptions{Topology: shortLease}),
		Registry: poisoned(), AckWait: shortLease.AckWait, Stuck: 300 * time.Millisecond, Concurrency: 4,
	})
	must(err)
	must(w.Run(context.Background()))
}

// Supervise keeps a poisoned child running until the returned function is
// called, which tells how often it died.
func supervise(t *testing.T, url string) (stop func() (deaths int)) {
	t.Helper()
	quit, ended := make(chan struct{}), make(chan int)
	go func() {
		deaths := 0
		for {
			cmd := childCommand("poisoned", url)
			if err := cmd.Start(); err != nil {
				t.Error(err)
				ended <- deaths
				return
			}
			died := make(chan struct{})
			go func() {
				_ = cmd.Wait() // says how it died
				close(died)
			}()
			select {
			case <-quit:
				_ = cmd.Process.Kill() // it may have died just now
				<-died
				ended <- deaths
				return
			case <-died:
				deaths++
			}
		}
	}()
	return func() int {
		close(quit)
		return <-ended
	}
}

// Four tasks that harm their process stand among two hundred that do not: each
// of the four ends as a dead letter, and none of the others does. Three of them
// kill the process, so whoever only stood beside them could lose its lease more
// often than is forgiven.
func TestPoisonIsBuriedAndTakesNoOtherTaskWithIt(t *testing.T) {
	t.Parallel()
	server := listening(t, t.TempDir(), "127.0.0.1:0")
	h := connected(t, server.URL())
	const innocents = 200
	for i := range innocents {
		switch i {
		case 20:
			h.publish(tasks.Task{Type: "exit", ID: "exit", Payload: []byte(`{"n":1}`)})
		case 21:
			h.publish(tasks.Task{Type: "spin", ID: "spin", Payload: []byte(`{"n":1}`)})
		case 22:
			h.publish(tasks.Task{Type: "exit", ID: "exit-2", Payload: []byte(`{"n":1}`)})
		case 60:
			h.publish(tasks.Task{Type: "hog", ID: "hog", Payload: []byte(`{"n":1}`)})
		}
		h.publish(tasks.Task{Type: "innocent", ID: fmt.Sprintf("innocent-%d", i), Payload: []byte(`{"n":1}`)})
	}
	stop := supervise(t, server.URL())
	for id, reason := range map[string]tasks.Reason{
		"exit": tasks.ReasonLeaseLost, "exit-2": tasks.ReasonLeaseLost, "hog": tasks.ReasonLeaseLost, "spin": tasks.ReasonAttempts,
	} {
		result := h.ended(id, "")
		h.until(id+" is a dead letter", func() bool { return len(h.deadLetters(id)) == 1 })
		letter := h.deadLetters(id)[0]
		kills := reason == tasks.ReasonLeaseLost
		if result.Reason != reason || letter.Reason != reason || letter.Attempt != 1 || kills && letter.Lost < 5 {
			t.Errorf("%s ended %+v with letter %+v; want it dead at attempt 1 by %s, lost leases counted apart", id, result, letter, reason)
		}
	}
	for i := range innocents {
		id := fmt.Sprintf("innocent-%d", i)
		if result := h.ended(id, ""); result.State != tasks.Succeeded {
			t.Errorf("%s ended %+v, want success", id, result)
		}
	}
	h.drained()
	// Each that kills does so three times alone, after it became a suspect.
	if deaths := stop(); deaths < 3*3+2 {
		t.Errorf("the process died %d times, want 3 times by each of the three alone, and twice before", deaths)
	}
	if letters := h.deadLetters(""); len(letters) != 4 {
		t.Errorf("%d dead letters, want the four poisoned ones: %+v", len(letters), letters)
	}
}
