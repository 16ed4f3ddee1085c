package main_test

import (
	"slices"
	"strings"
	"testing"

	sparkle "sparkle/cmd/sparkle"
	"sparkle/internal/cli/clitest"
	"sparkle/tasks"
)

var run = sparkle.Run

func sorted(text string) []string {
	fields := strings.Fields(text)
	slices.Sort(fields)
	return fields
}

func TestMisuseExitsWithTwo(t *testing.T) {
	for name, row := range map[string]struct {
		args []string
		want string
	}{
		"no command":         {nil, `expected one of "task", "queue", "dead"`},
		"half a command":     {[]string{"task"}, `expected one of "show", "ls", "await", "tail", "result", ...`},
		"an unknown command": {[]string{"tusk"}, "unexpected argument tusk"},
		"no id":              {[]string{"task", "show"}, `expected "<id>"`},
		"a hostile id":       {[]string{"task", "show", "a\x1b[31m*"}, `is not a task's id`},
		"a wildcard":         {[]string{"task", "await", ">"}, `">" is not a task's id`},
		"a wildcard to tail": {[]string{"task", "tail", "*"}, `"*" is not a task's id`},
		"a wildcard of dead": {[]string{"dead", "show", "*"}, `"*" is not a task's id`},
		"a state":            {[]string{"task", "ls", "--state", "lost"}, "--state must be one of"},
		"a type":             {[]string{"task", "ls", "--type", "*"}, `--type: "*" is not`},
		"a limit":            {[]string{"task", "ls", "--limit", "0"}, "--limit: 0 is not within 1 to 100000"},
		"a limit of letters": {[]string{"dead", "ls", "--limit=-1"}, "--limit: -1 is not within"},
		"a time":             {[]string{"task", "ls", "--since", "tea"}, "want a duration such as 2h"},
		"a time-out":         {[]string{"task", "await", "x", "--timeout=-1s"}, "--timeout: -1s is negative"},
		"a while":            {[]string{"worker", "ls", "--within", "2h"}, "--within: 2h0m0s is not within"},
		"nothing to cancel":  {[]string{"task", "cancel"}, "want ids, or flags"},
		"id and filter":      {[]string{"task", "cancel", "a", "--type", "b"}, "exclude each other"},
		"a run of many":      {[]string{"task", "cancel", "a", "b", "--run", "r"}, "--run: goes with one id"},
		"an ended state":     {[]string{"task", "cancel", "--state", "dead"}, "--state must be one of"},
		"nothing to pause":   {[]string{"queue", "pause"}, "target: want a priority, a pool or a type"},
		"two ends":           {[]string{"queue", "pause", "--pool", "main", "--for", "1h", "--until", "2h"}, "--for and --until exclude"},
		"nothing to purge":   {[]string{"queue", "purge"}, "--priority"},
		"no worker":          {[]string{"worker", "drain"}, "want a worker's name, or --all"},
		"two workers":        {[]string{"worker", "drain", "w1", "--all"}, "want a worker's name, or --all"},
		"no slots":           {[]string{"worker", "scale", "w1", "-n", "0"}, "slots: 0 is not within 1 to 10000"},
		"a format":           {[]string{"queue", "ls", "-o", "xml"}, "--output must be one of"},
		"no time for a demo": {[]string{"demo", "--timeout", "0s"}, "--timeout: 0s is not above 0"},
	} {
		t.Run(name, func(t *testing.T) {
			got := clitest.Run(t, run, clitest.Input{Args: row.args})
			if got.Code != 2 || got.Out != "" {
				t.Errorf("exit %d with %q on stdout, want 2 with nothing", got.Code, got.Out)
			}
			clitest.Contains(t, got.Err, "sparkle: ", row.want)
			if strings.ContainsRune(got.Err, '\x1b') {
				t.Errorf("a terminal escape came through: %q", got.Err)
			}
		})
	}
}

func TestEachCommandTellsOfAnAbsentServer(t *testing.T) {
	for _, command := range []string{
		"task ls", "task show x", "task await x", "task tail x", "task result x", "queue ls", "dead ls", "dead show x", "worker ls", "usage show x",
		"task cancel x", "task retry x", "queue pause --pool main", "queue resume --pool main", "queue pauses", "queue purge --priority low",
		"worker scale x -n 1", "worker drain x", "worker resume --all",
	} {
		args := append(strings.Fields(command), "--nats-url", "nats://127.0.0.1:1", "--connect-wait", "10ms")
		got := clitest.Run(t, run, clitest.Input{Args: args})
		if got.Code != 1 || got.Out != "" {
			t.Errorf("%s: exit %d with %q on stdout, want 1 with nothing", command, got.Code, got.Out)
		}
		clitest.Contains(t, got.Err, "connect to nats://127.0.0.1:1: no server answers there", "consumer --dev")
	}
}

func TestExitCodesTellWhatBecameOfATask(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.work(t, types(f.Client, nil))
	f.publish(t, tasks.Task{Type: "bad", ID: "dead"})
	f.settle(t, "dead", tasks.Dead)
	f.publish(t, tasks.Task{Type: "slow", ID: "slow"})
	f.settle(t, "slow", tasks.Running)
	f.publish(t, tasks.Task{Type: "ok", ID: "ok"})
	f.settle(t, "ok", tasks.Succeeded)
	for _, row := range []struct {
		command string
		code    int
		want    string
	}{
		{"task show none", 3, "task none: task not found"},
		{"task await none", 3, "await none: task not found"},
		{"task tail none", 3, "task none: task not found"},
		{"task result none", 3, "task none: task not found"},
		{"task result slow", 3, "task slow has no result yet: it is running"},
		{"task result ok --out x.svg", 3, "result of task ok (ok) names no picture"},
		{"dead show ok", 3, "no dead letter of task ok"},
		{"usage show nobody", 3, `no usage of "nobody" is recorded`},
		{"task await slow --timeout 20ms", 5, "task slow has not ended within 20ms"},
		{"task await dead", 6, "task dead is dead (permanent): no luck, sorry"},
		{"task result dead", 6, "task dead is dead (permanent): no luck, sorry"},
	} {
		got := f.run(t, strings.Fields(row.command)...)
		if got.Code != row.code || got.Out != "" {
			t.Errorf("%s: exit %d with %q on stdout, want %d with nothing", row.command, got.Code, got.Out, row.code)
		}
		clitest.Contains(t, got.Err, "sparkle: "+row.want)
	}
}
