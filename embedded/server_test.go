package embedded_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sparkle/embedded"
)

func TestServerRecoversStreamsAfterRestart(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	first := start(t, embedded.Options{Store: store})
	if err := fill(client(t, first), "kept", 10); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	second := start(t, embedded.Options{Store: store})
	if got := stored(t, client(t, second), "kept"); got != 10 {
		t.Errorf("stored after a restart = %d, want 10", got)
	}
}

func TestNewRefusesAStoreItCannotRecover(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	first := start(t, embedded.Options{Store: store})
	if err := fill(client(t, first), "hurt", 1); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	meta := filepath.Join(store, "jetstream", "$G", "streams", "hurt", "meta.inf")
	if err := os.WriteFile(meta, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}

	_, err := embedded.New(embedded.Options{Store: store})
	if err == nil || !strings.Contains(err.Error(), "hurt") {
		t.Errorf("New on a damaged stream = %v, want an error that names it", err)
	}
}

func TestNewMakesAPrivateStore(t *testing.T) {
	t.Parallel()
	store := filepath.Join(t.TempDir(), "deep", "store")
	start(t, embedded.Options{Store: store})
	info, err := os.Stat(store)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o700 {
		t.Errorf("mode of the store = %o, want 700", got)
	}
}

func TestNewGivesUpAtReadyTimeoutAndFreesTheStore(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	_, err := embedded.New(embedded.Options{Store: store, ReadyTimeout: time.Nanosecond})
	if err == nil || !strings.Contains(err.Error(), "1ns") {
		t.Fatalf("New with 1ns to be ready = %v, want an error that names it", err)
	}
	poll(t, func() error {
		server, err := embedded.New(embedded.Options{Store: store})
		if err == nil {
			err = server.Close()
		}
		return err
	})
}

func TestRunClosesTheServerWhenItsContextIsDone(t *testing.T) {
	t.Parallel()
	server := start(t, embedded.Options{Store: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	if err := server.Ready(); err != nil {
		t.Errorf("Ready of a running server = %v, want nil", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if err := server.Ready(); err == nil {
		t.Error("Ready of a closed server = nil, want an error")
	}
	if nc, err := server.Connect(); err == nil {
		nc.Close()
		t.Error("Connect to a closed server = nil, want an error")
	}
}

func TestCloseEndsRunAndMayBeRepeated(t *testing.T) {
	t.Parallel()
	server := start(t, embedded.Options{Store: t.TempDir()})
	var all sync.WaitGroup
	all.Go(func() {
		if err := server.Run(context.Background()); err != nil {
			t.Errorf("Run of a closed server = %v, want nil", err)
		}
	})
	for range 3 {
		all.Go(func() {
			if err := server.Close(); err != nil {
				t.Errorf("Close = %v, want nil", err)
			}
		})
	}
	all.Wait()
}

func TestConnectReturnsAfterTheServerDropsIt(t *testing.T) {
	t.Parallel()
	server := start(t, embedded.Options{Store: t.TempDir()})
	back := make(chan struct{}, 1)
	js := client(t, server, nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} }))
	if err := js.Conn().ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-back:
	case <-time.After(patience):
		t.Fatal("the connection did not come back")
	}
	if err := fill(js, "after", 1); err != nil {
		t.Errorf("publish after the reconnect = %v, want nil", err)
	}
}

func TestServerHoldsItsLimits(t *testing.T) {
	t.Parallel()
	server := start(t, embedded.Options{Store: t.TempDir(), MaxStore: 1 << 20, MaxMemory: 1 << 16, MaxPayload: 1 << 12})
	js := client(t, server)
	if got := js.Conn().MaxPayload(); got != 1<<12 {
		t.Errorf("MaxPayload = %d, want %d", got, 1<<12)
	}
	tests := []struct {
		name    string
		storage jetstream.StorageType
		bytes   int64
	}{
		{"more than the store holds", jetstream.FileStorage, 2 << 20},
		{"more than the memory holds", jetstream.MemoryStorage, 2 << 16},
	}
	for _, test := range tests {
		config := jetstream.StreamConfig{Name: "big", Storage: test.storage, MaxBytes: test.bytes}
		if _, err := js.CreateStream(t.Context(), config); err == nil {
			t.Errorf("CreateStream of %s = nil, want an error", test.name)
		}
	}
}

// poll calls try until it returns nil.
func poll(t *testing.T, try func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if err = try(); err == nil {
			return
		}
	}
	t.Fatalf("gave up after %v: %v", patience, err)
}
