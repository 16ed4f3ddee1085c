package main_test

import (
	"strings"
	"testing"

	"sparkle/internal/cli/clitest"
	"sparkle/tasks"
)

func TestEachCommandPrintsInEachFormat(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.work(t, types(f.Client, nil))
	f.populate(t)
	f.publish(t, tasks.Task{Type: "record_token_usage", ID: "use-1", Payload: []byte(
		`{"user_id":"ann","request_id":"r1","prompt_tokens":10,"completion_tokens":5,"model":"gpt-4"}`)})
	f.settle(t, "use-1", tasks.Succeeded)
	f.publish(t, tasks.Task{Type: "record_token_usage", ID: "use-2", Payload: []byte(
		`{"user_id":"ann","request_id":"r2","prompt_tokens":7,"completion_tokens":1,"model":"other\u001b[1m"}`)})
	f.settle(t, "use-2", tasks.Succeeded)
	for _, args := range [][]string{
		{"task", "ls"}, {"task", "show", "ok-1"}, {"task", "show", "flaky-1"}, {"task", "show", "slow-1"}, {"task", "show", "later-1"},
		{"task", "show", "due-1"}, {"task", "show", "gpu-1"}, {"task", "show", "parked-1"}, {"task", "show", "bad-1"},
		{"task", "await", "ok-1"}, {"task", "result", "ok-1"}, {"task", "tail", "flaky-1"},
		{"queue", "ls"}, {"dead", "ls"}, {"dead", "show", "bad-1"}, {"worker", "ls"}, {"usage", "show", "ann"},
	} {
		for _, format := range formats() {
			got := f.run(t, append(args, "-o", format)...)
			if got.Code != 0 {
				t.Errorf("%q -o %s: exit %d, want 0: %s", args, format, got.Code, got.Err)
			}
			if i := strings.IndexAny(got.Out, "\x1b\u009b\u202e\x7f"); i >= 0 {
				t.Errorf("%q -o %s: a control character at byte %d of %q", args, format, i, got.Out)
			}
			clitest.Golden(t, strings.Join(args, "-")+"."+format, got.Out)
		}
	}
}

func TestAliasesAreTheSameCommands(t *testing.T) {
	f := newFleet(t)
	f.publish(t, tasks.Task{Type: "ok", ID: "a"})
	for _, pair := range [][2][]string{
		{{"task", "ls"}, {"tasks", "list"}}, {{"task", "show", "a"}, {"task", "info", "a"}},
		{{"queue", "ls"}, {"queues", "list"}}, {{"dead", "ls"}, {"dead", "list"}}, {{"worker", "ls"}, {"workers", "list"}},
	} {
		want, got := f.run(t, pair[0]...), f.run(t, pair[1]...)
		if clitest.Stable(got.Out) != clitest.Stable(want.Out) || got.Code != want.Code {
			t.Errorf("%q = %+v, want as %q: %+v", pair[1], got, pair[0], want)
		}
	}
}

func TestEmptyListsSaySoOnStandardError(t *testing.T) {
	f := newFleet(t)
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"task", "ls"}, "no task matches\n"},
		{[]string{"dead", "ls"}, "no dead letter matches\n"},
		{[]string{"worker", "ls", "--within", "50ms"}, "no worker answers; start one with: consumer\n"},
	} {
		if got := f.run(t, row.args...); got.Code != 0 || got.Out != "" || got.Err != row.want {
			t.Errorf("%q = %+v, want nothing and %q", row.args, got, row.want)
		}
		if got := f.run(t, append(row.args, "-o", "json")...); got.Out != "[]\n" || got.Err != "" {
			t.Errorf("%q -o json = %+v, want [] alone", row.args, got)
		}
	}
}

func TestTasksAreFiltered(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.work(t, types(f.Client, nil))
	f.populate(t)
	for name, row := range map[string]struct {
		args []string
		want string
	}{
		"by state":             {[]string{"--state", "dead"}, "bad-1 flaky-1"},
		"by a living state":    {[]string{"--state", "running"}, "slow-1"},
		"by type":              {[]string{"--type", "ok"}, "due-1 gpu-1 ok-1"},
		"by priority":          {[]string{"--priority", "high"}, "bad-1"},
		"by user":              {[]string{"--user", "ann"}, "ok-1"},
		"by time":              {[]string{"--since", "1h", "--type", "flaky"}, "flaky-1"},
		"by a time ahead":      {[]string{"--since", "2999-01-01T00:00:00Z"}, ""},
		"by type, cut at one":  {[]string{"--type", "ok", "--limit", "1"}, "due-1"},
		"by what nothing is":   {[]string{"--type", "none"}, ""},
		"by variables instead": {nil, "parked-1"},
	} {
		t.Run(name, func(t *testing.T) {
			in := f.input(append([]string{"task", "ls", "-o", "name"}, row.args...)...)
			if row.args == nil {
				in.Env["SPARKLE_STATE"] = "parked"
			}
			got := clitest.Run(t, run, in)
			if ids := strings.Join(sorted(got.Out), " "); got.Code != 0 || ids != row.want {
				t.Errorf("exit %d with %q, want 0 with %q: %s", got.Code, ids, row.want, got.Err)
			}
		})
	}
}

func TestPanicShowsItsStack(t *testing.T) {
	f := newFleet(t)
	f.work(t, types(f.Client, nil))
	f.publish(t, tasks.Task{Type: "panics", ID: "p"})
	f.settle(t, "p", tasks.Dead)
	got := f.run(t, "task", "show", "p")
	clitest.Contains(t, got.Out, "panic: boom", "STACK of attempt 1\n  goroutine ", "main_test.go:")
}

func TestDeadLettersAreFilteredAndCut(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.work(t, types(f.Client, nil))
	for _, id := range []string{"b1", "b2", "b3", "b4", "b5"} {
		f.publish(t, tasks.Task{Type: "bad", ID: id})
		f.settle(t, id, tasks.Dead)
	}
	f.publish(t, tasks.Task{Type: "flaky", ID: "f1"})
	f.settle(t, "f1", tasks.Dead)
	for want, args := range map[string][]string{
		"f1 b5 b4 b3 b2 b1": nil,
		"f1 b5":             {"--limit", "2"},
		"b5 b4 b3 b2 b1":    {"--type", "bad"},
		"b5":                {"--type", "bad", "--limit", "1"},
		"f1":                {"--reason", "attempts"},
		"":                  {"--reason", "lease lost"},
	} {
		got := f.run(t, append([]string{"dead", "ls", "-o", "name"}, args...)...)
		if ids := strings.Join(strings.Fields(got.Out), " "); got.Code != 0 || ids != want {
			t.Errorf("dead ls %q = %q, want %q: %s", args, ids, want, got.Err)
		}
	}
	clitest.Contains(t, f.run(t, "dead", "ls", "--limit", "2").Err, "the newest 2; --limit shows the other 4")
	// The same id dies again: the newest letter is shown.
	f.publish(t, tasks.Task{Type: "bad", ID: "b1"})
	clitest.Eventually(t, "the second letter", func() bool {
		return strings.Contains(f.run(t, "dead", "show", "b1").Err, "the newest of 2 letters of this id")
	})
}
