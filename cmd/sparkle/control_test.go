package main_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sparkle/internal/cli/clitest"
	"sparkle/tasks"
)

func TestTasksAreCancelledByIDAndByFilter(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.work(t, types(f.Client, nil))
	f.publish(t, tasks.Task{Type: "slow", ID: "slow"})
	f.settle(t, "slow", tasks.Running)
	got := f.run(t, "task", "cancel", "slow", "--by", "ann", "--reason", "wrong input")
	if got.Code != 0 || !strings.Contains(got.Out, "taken by w1") {
		t.Errorf("cancel = %+v, want 0 and who had it", got)
	}
	f.settle(t, "slow", tasks.Cancelled)
	show := f.run(t, "task", "show", "slow")
	clitest.Contains(t, show.Out, "cancelled", "by         ann", "why        wrong input")
	if got := f.run(t, "task", "await", "slow"); got.Code != 6 || !strings.Contains(got.Err, "task slow is cancelled by ann: wrong input") {
		t.Errorf("await = %+v, want 6 and who cancelled it", got)
	}
	for i := range 7 {
		f.publish(t, tasks.Task{Type: "ok", ID: fmt.Sprint("later-", i), At: time.Now().Add(time.Hour), User: "bob"})
	}
	dry := f.run(t, "task", "cancel", "--user", "bob", "--dry-run", "-o", "json")
	clitest.Contains(t, dry.Out, `"count": 7`, `"dry_run": true`)
	if got := f.run(t, "task", "cancel", "--user", "bob"); got.Code != 2 || !strings.Contains(got.Err, "cancel 7 tasks: needs --force") {
		t.Errorf("cancel without a terminal = %+v, want 2: needs --force", got)
	}
	if got := f.run(t, "task", "cancel", "--user", "bob", "-f"); got.Code != 0 || got.Out != "7 tasks cancelled\n" {
		t.Errorf("cancel -f = %+v, want 7 tasks cancelled", got)
	}
	f.settle(t, "later-3", tasks.Cancelled)
}

func TestARetryingTaskIsMadeDue(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.work(t, types(f.Client, nil))
	f.publish(t, tasks.Task{Type: "ok", ID: "due", At: time.Now().Add(time.Hour)})
	if got := f.run(t, "task", "retry", "due"); got.Code != 0 || got.Out != "" {
		t.Errorf("retry = %+v, want 0 and words alone", got)
	}
	f.settle(t, "due", tasks.Succeeded)
	f.publish(t, tasks.Task{Type: "bad", ID: "dead"})
	f.settle(t, "dead", tasks.Dead)
	for args, want := range map[string]string{
		"task retry due": "it is succeeded", "task retry dead": "sparkle dead replay dead",
		"task cancel due": "it is succeeded", "task cancel dead": "it is dead",
	} {
		if got := f.run(t, strings.Fields(args)...); got.Code != 4 || !strings.Contains(got.Err, want) {
			t.Errorf("%s = %+v, want 4 and %q", args, got, want)
		}
	}
	for _, args := range []string{"task retry none", "task cancel none", "task cancel due --run other", "worker drain nobody", "worker scale nobody -n 3"} {
		if got := f.run(t, strings.Fields(args)...); got.Code != 3 || got.Out != "" {
			t.Errorf("%s = %+v, want 3 with nothing on stdout", args, got)
		}
	}
}

func TestQueuesArePausedResumedAndPurged(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	if got := f.run(t, "queue", "pause", "--priority", "low", "--for", "2h", "--by", "ann", "--reason", "too much"); got.Code != 0 {
		t.Fatalf("pause = %+v, want 0", got)
	}
	if got := f.run(t, "queue", "pause", "--type", "ok", "--by", "bob"); got.Code != 0 {
		t.Fatalf("pause of a type = %+v, want 0", got)
	}
	ls := f.run(t, "queue", "ls")
	clitest.Contains(t, ls.Out, "paused by ann, goes on in ", ": too much")
	clitest.Contains(t, ls.Err, "type ok is paused by bob")
	clitest.Contains(t, f.run(t, "queue", "ls", "-o", "json").Out, `"by": "ann"`, `"reason": "too much"`)
	if got := f.run(t, "queue", "pauses", "-o", "name"); got.Out != "type ok\npriority low\n" {
		t.Errorf("pauses = %+v, want both", got)
	}
	for i := range 3 {
		f.publish(t, tasks.Task{Type: "ok", ID: fmt.Sprint("low-", i), Priority: tasks.Low})
	}
	purge := []string{"queue", "purge", "--priority", "low"}
	if got := f.run(t, append(purge, "--dry-run")...); got.Out != "3 tasks match\n" {
		t.Errorf("purge --dry-run = %+v, want 3 tasks", got)
	}
	if got := f.run(t, purge...); got.Code != 2 {
		t.Errorf("purge without a terminal = %+v, want 2", got)
	}
	if got := f.run(t, append(purge, "--force")...); got.Code != 0 || got.Out != "3 tasks cancelled\n" {
		t.Errorf("purge --force = %+v, want 3 tasks", got)
	}
	if got := f.run(t, "task", "await", "low-1"); got.Code != 6 || !strings.Contains(got.Err, "purged") {
		t.Errorf("await of a purged task = %+v, want 6 and that it was purged", got)
	}
	for _, args := range []string{"queue resume --priority low", "queue resume --type ok"} {
		if got := f.run(t, strings.Fields(args)...); got.Code != 0 {
			t.Errorf("%s = %+v, want 0", args, got)
		}
	}
	if got := f.run(t, "queue", "pauses"); got.Out != "" || !strings.Contains(got.Err, "nothing is paused") {
		t.Errorf("pauses after the resumes = %+v, want none", got)
	}
}

func TestWorkersAreSteered(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.work(t, types(f.Client, nil))
	clitest.Eventually(t, "the worker answers", func() bool {
		return strings.Contains(f.run(t, "worker", "ls").Out, "works")
	})
	if got := f.run(t, "worker", "scale", "w1", "-n", "3"); got.Code != 0 || !strings.Contains(got.Out, "10 slots") || !strings.Contains(got.Out, "3 slots") {
		t.Errorf("scale = %+v, want from 10 to 3 slots", got)
	}
	if got := f.run(t, "worker", "drain", "--all"); got.Code != 0 || !strings.Contains(got.Out, "draining") {
		t.Errorf("drain --all = %+v, want it draining", got)
	}
	clitest.Contains(t, f.run(t, "worker", "ls").Out, "draining")
	if got := f.run(t, "worker", "resume", "w1"); got.Code != 0 {
		t.Errorf("resume = %+v, want 0", got)
	}
	f.publish(t, tasks.Task{Type: "ok", ID: "one"})
	f.settle(t, "one", tasks.Succeeded)
}
