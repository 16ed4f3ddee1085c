package main_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"sparkle/internal/cli/clitest"
	"sparkle/tasks"
)

// Spawn runs the program as a process of its own.
func spawn(t *testing.T, args ...string) (*exec.Cmd, *process) {
	t.Helper()
	p := &process{}
	args = append([]string{"--dev", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--store", t.TempDir()}, args...)
	command := exec.CommandContext(t.Context(), os.Args[0], args...)
	command.Env = append(os.Environ(), asProgram+"=1")
	command.Stderr = &p.words
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	clitest.Eventually(t, "it listens", p.listening)
	return command, p
}

func TestSIGTERMDrains(t *testing.T) {
	t.Parallel()
	command, p := spawn(t)
	c := client(t, p.url)
	publish(t, c, "a")
	settle(t, c, "a", tasks.Running)
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("it ended with %v, want exit 0: %s", err, p.words.String())
	}
	words := p.words.String()
	clitest.Contains(t, words, "draining: 1 running", "INF done attempt=1 priority=default task=a")
	if strings.Index(words, "draining") > strings.Index(words, "INF done") {
		t.Errorf("the task ended before the signal: %s", words)
	}
}

func TestASecondSignalQuitsAtOnce(t *testing.T) {
	t.Parallel()
	command, p := spawn(t)
	c := client(t, p.url)
	publish(t, c, "a")
	settle(t, c, "a", tasks.Running)
	for _, id := range []string{"b", "c", "d", "e", "f"} {
		publish(t, c, id)
	}
	if err := command.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	clitest.Eventually(t, "it drains", func() bool { return strings.Contains(p.words.String(), "draining:") })
	for command.ProcessState == nil {
		if command.Process.Signal(syscall.SIGINT) != nil {
			break
		}
		var exit *exec.ExitError
		if err := command.Wait(); !errors.As(err, &exit) || exit.ExitCode() == 0 {
			t.Errorf("it ended with %v, want it to be killed by the signal: %s", err, p.words.String())
		}
	}
}
