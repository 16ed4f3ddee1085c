package embedded_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"sparkle/embedded"
)

func TestServerLinesHaveTheirLevels(t *testing.T) {
	t.Parallel()
	var out lines
	server := start(t, embedded.Options{
		Store: t.TempDir(), Listen: ":0", Token: "t", Logger: zerolog.New(&out).Level(zerolog.TraceLevel),
	})
	if nc, err := nats.Connect(server.URL()); err == nil {
		nc.Close()
		t.Error("Connect without the token = nil, want an error")
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"Listening for client connections": "debug",
		"Max Storage":                      "debug",
		"Client connection created":        "trace",
		"authentication error":             "error",
	} {
		if got := level(t, out.String(), text); got != want {
			t.Errorf("level of %q = %q, want %q", text, got, want)
		}
	}
}

func TestServerIsSilentAtInfo(t *testing.T) {
	t.Parallel()
	var out lines
	server := start(t, embedded.Options{
		Store: t.TempDir(), Listen: ":0", Logger: zerolog.New(&out).Level(zerolog.InfoLevel),
	})
	if err := fill(client(t, server), "quiet", 1); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); text != "" {
		t.Errorf("log at info = %s, want nothing", text)
	}
}

// level returns the level of the first line that has the text.
func level(t *testing.T, log, text string) string {
	t.Helper()
	for line := range strings.Lines(log) {
		if !strings.Contains(line, text) {
			continue
		}
		var fields struct{ Level string }
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("read log line %s: %v", line, err)
		}
		return fields.Level
	}
	return "no such line"
}
