package embedded_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sparkle/embedded"
)

func TestNewRefusesBadOptionsAndMakesNoStore(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		options embedded.Options
		want    string
	}{
		{"no port", embedded.Options{Listen: "localhost"}, `read Listen "localhost": want host:port`},
		{"a named port", embedded.Options{Listen: "localhost:nats"}, "want a port from 0 to 65535"},
		{"a port too high", embedded.Options{Listen: ":65536"}, "want a port from 0 to 65535"},
		{"a negative port", embedded.Options{Listen: ":-1"}, "want a port from 0 to 65535"},
		{"every interface", embedded.Options{Listen: "0.0.0.0:0"}, "set Token or use 127.0.0.1"},
		{"every interface, version 6", embedded.Options{Listen: "[::]:0"}, "set Token or use 127.0.0.1"},
		{"a host name", embedded.Options{Listen: "example.org:0"}, "set Token or use 127.0.0.1"},
		{"a negative store", embedded.Options{MaxStore: -1}, "check MaxStore: -1, want bytes above 0"},
		{"a negative memory", embedded.Options{MaxMemory: -1}, "check MaxMemory: -1, want bytes above 0"},
		{"a negative payload", embedded.Options{MaxPayload: -1}, "check MaxPayload: -1, want bytes from 1 to 8388608"},
		{"a huge payload", embedded.Options{MaxPayload: 1 << 40}, "check MaxPayload: 1099511627776, want"},
		{"a negative time-out", embedded.Options{ReadyTimeout: -time.Second}, "check ReadyTimeout: -1s, want"},
		{"a sync too often", embedded.Options{Sync: 1}, `check Sync: 1ns, want "always" or 10ms to 10m0s`},
		{"a sync too rare", embedded.Options{Sync: embedded.Sync(time.Hour)}, "check Sync: 1h0m0s, want"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.options.Store = filepath.Join(t.TempDir(), "store")
			server, err := embedded.New(test.options)
			if err == nil {
				t.Fatal(server.Close(), "New = nil, want an error")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("New(%+v) = %v, want %s", test.options, err, test.want)
			}
			if _, err := os.Stat(test.options.Store); !os.IsNotExist(err) {
				t.Errorf("Stat of the store = %v, want it not made", err)
			}
		})
	}
}

// The test changes its working directory and so is not parallel.
func TestZeroOptionsUseTheWorkingDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	server := start(t, embedded.Options{})
	got := embedded.JetStreamConfig(server)
	want := embedded.StoreConfig{
		Dir:       filepath.Join(dir, ".sparkle", "jetstream"),
		MaxStore:  10 << 30,
		MaxMemory: 256 << 20,
		SyncEvery: time.Second,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("store of zero options (-want +got):\n%s", diff)
	}
	if url := server.URL(); url != "" {
		t.Errorf("URL of zero options = %q, want none", url)
	}
}

func TestSyncReachesTheStore(t *testing.T) {
	t.Parallel()
	tests := []struct {
		sync   embedded.Sync
		always bool
		every  time.Duration
	}{
		{embedded.SyncAlways, true, time.Second},
		{embedded.Sync(250 * time.Millisecond), false, 250 * time.Millisecond},
	}
	for _, test := range tests {
		server := start(t, embedded.Options{Store: t.TempDir(), Sync: test.sync})
		got := embedded.JetStreamConfig(server)
		if got.SyncAlways != test.always || got.SyncEvery != test.every {
			t.Errorf("store with Sync %v = %v, %v, want %v, %v", test.sync, got.SyncAlways, got.SyncEvery, test.always, test.every)
		}
	}
}
