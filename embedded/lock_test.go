package embedded_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sparkle/embedded"
)

func TestNewRefusesAStoreThatAServerHolds(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	first := start(t, embedded.Options{Store: store})
	_, err := embedded.New(embedded.Options{Store: store})
	want := fmt.Sprintf("lock store %s: a server of process %d holds it", store, os.Getpid())
	if err == nil || err.Error() != want {
		t.Errorf("New on a held store = %v, want %s", err, want)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	start(t, embedded.Options{Store: store})
}

func TestNewRefusesAHeldStoreWithoutAPid(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	start(t, embedded.Options{Store: store})
	if err := os.Remove(filepath.Join(store, "lock.pid")); err != nil {
		t.Fatal(err)
	}
	_, err := embedded.New(embedded.Options{Store: store})
	if err == nil || !strings.Contains(err.Error(), "another process holds it") {
		t.Errorf("New on a held store = %v, want an error that tells so", err)
	}
}

func TestNewRefusesAStoreThatIsNoDirectory(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		make func(store string) error
	}{
		{"the store is a file", func(store string) error {
			return os.WriteFile(store, nil, 0o600)
		}},
		{"the lock is a directory", func(store string) error {
			return os.MkdirAll(filepath.Join(store, "lock", "full"), 0o700)
		}},
		{"the pid is a directory", func(store string) error {
			return os.MkdirAll(filepath.Join(store, "lock.pid", "full"), 0o700)
		}},
		{"JetStream's directory is a file", func(store string) error {
			if err := os.MkdirAll(store, 0o700); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(store, "jetstream"), nil, 0o600)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			store := filepath.Join(t.TempDir(), "store")
			if err := test.make(store); err != nil {
				t.Fatal(err)
			}
			server, err := embedded.New(embedded.Options{Store: store})
			if err == nil {
				t.Fatal(server.Close(), "New = nil, want an error")
			}
			if !strings.Contains(err.Error(), store) {
				t.Errorf("New = %v, want an error that names %s", err, store)
			}
		})
	}
}

func TestKilledServerLeavesItsMessagesAndNoLock(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), holdStore+"="+store)
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	_, busy := embedded.New(embedded.Options{Store: store})
	if killErr := holder.Process.Kill(); killErr != nil {
		t.Fatal(killErr)
	}
	_ = holder.Wait() // tells only that it was killed
	if err != nil || line != "stored\n" {
		t.Fatalf("the holder says %q, %v, want stored", line, err)
	}
	if want := fmt.Sprintf("process %d ", holder.Process.Pid); busy == nil || !strings.Contains(busy.Error(), want) {
		t.Errorf("New beside the holder = %v, want an error with %q", busy, want)
	}

	server := start(t, embedded.Options{Store: store})
	if got := stored(t, client(t, server), "kept"); got != 100 {
		t.Errorf("stored after a kill = %d, want 100", got)
	}
}
