package main_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sparkle/internal/cli/clitest"
	"sparkle/tasks"
)

func TestTailFollowsATaskLiveUntilItsEnd(t *testing.T) {
	f := newFleet(t)
	release := make(chan struct{})
	f.publish(t, tasks.Task{Type: "slow", ID: "s"})
	var out, words clitest.Buffer
	ended := make(chan int, 1)
	go func() { ended <- run(t.Context(), clitest.Std(f.input("task", "tail", "s"), &out, &words)) }()
	clitest.Eventually(t, "it waits", func() bool {
		return strings.Contains(words.String(), "task s is waiting in default-main; its events follow")
	})
	f.work(t, types(f.Client, release))
	clitest.Eventually(t, "the progress is printed", func() bool { return strings.Contains(out.String(), "40% page 40/100") })
	close(release)
	if code := <-ended; code != 0 {
		t.Errorf("exit %d, want 0: %s", code, words.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	clitest.Contains(t, lines[0], "running    attempt 1  w1")
	clitest.Contains(t, lines[len(lines)-1], `succeeded  attempt 1  w1  {"n":2}`)
}

func TestTailEndsWithAnInterrupt(t *testing.T) {
	f := newFleet(t)
	f.publish(t, tasks.Task{Type: "ok", ID: "s"})
	ctx, cancel := context.WithCancel(t.Context())
	var out, words clitest.Buffer
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, clitest.Std(f.input("task", "tail", "s", "-o", "jsonl"), &out, &words)) }()
	clitest.Eventually(t, "it waits", func() bool { return strings.Contains(words.String(), "its events follow") })
	cancel()
	if code := <-ended; code != 1 || !strings.Contains(words.String(), "sparkle: interrupted") {
		t.Errorf("exit %d and %q, want 1 and interrupted", code, words.String())
	}
}

func TestAwaitWaitsForATaskThatRuns(t *testing.T) {
	f := newFleet(t)
	release := make(chan struct{})
	f.work(t, types(f.Client, release))
	f.publish(t, tasks.Task{Type: "slow", ID: "s"})
	f.settle(t, "s", tasks.Running)
	var out, words clitest.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(t.Context(), clitest.Std(f.input("task", "await", "s", "--timeout", "20s", "-o", "jsonl"), &out, &words))
	}()
	close(release)
	if code := <-ended; code != 0 || out.String() != `{"n":2}`+"\n" {
		t.Errorf("exit %d with %q, want 0 with the result: %s", code, out.String(), words.String())
	}
}

func TestResultFetchesThePicture(t *testing.T) {
	f := newFleet(t)
	f.work(t, types(f.Client, nil))
	f.publish(t, tasks.Task{Type: "visualize_graph", ID: "g", Payload: []byte(
		`{"user_id":"u","graph_data":{"nodes":[{"id":"a","label":"Anna"}],"edges":[]}}`)})
	f.settle(t, "g", tasks.Succeeded)
	file := filepath.Join(t.TempDir(), "g.svg")
	got := f.run(t, "task", "result", "g", "--out", file)
	picture, err := os.ReadFile(file)
	if err != nil || got.Code != 0 || !strings.Contains(string(picture), "Anna</") {
		t.Fatalf("exit %d: %s; file is %q (%v), want a picture of Anna", got.Code, got.Err, picture, err)
	}
	clitest.Contains(t, got.Out, `"visualization_id": "viz-`)
	clitest.Contains(t, got.Err, "wrote "+file, "bytes of image/svg+xml")

	got = f.run(t, "task", "result", "g", "--out", file)
	if got.Code != 1 || got.Out != "" {
		t.Errorf("exit %d with %q, want 1 with nothing where the file exists", got.Code, got.Out)
	}
	clitest.Contains(t, got.Err, file+" exists", "--force replaces it")
	if got := f.run(t, "task", "result", "g", "--out", file, "--force"); got.Code != 0 {
		t.Errorf("--force: exit %d: %s", got.Code, got.Err)
	}
	if got := f.run(t, "task", "result", "g", "--out", "-"); got.Out != string(picture) {
		t.Errorf("--out - printed %q, want the picture", got.Out)
	}
	if got := f.run(t, "task", "result", "g", "--out", "/none/at/all.svg"); got.Code != 1 {
		t.Errorf("exit %d for a directory that is not there, want 1", got.Code)
	}
}
