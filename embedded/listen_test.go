package embedded_test

import (
	"bytes"
	"errors"
	"net"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"sparkle/embedded"
)

func TestListenerServesClients(t *testing.T) {
	t.Parallel()
	tests := []struct{ listen, token, host string }{
		{":0", "", "127.0.0.1"},
		{"127.0.0.1:0", "", "127.0.0.1"},
		{"localhost:0", "", "localhost"},
		{"0.0.0.0:0", "a-token", "0.0.0.0"},
	}
	for _, test := range tests {
		t.Run(test.listen, func(t *testing.T) {
			t.Parallel()
			server := start(t, embedded.Options{Store: t.TempDir(), Listen: test.listen, Token: test.token})
			at, err := url.Parse(server.URL())
			if err != nil || at.Hostname() != test.host || at.Port() == "0" || at.User != nil {
				t.Fatalf("URL = %q, %v, want one on %s with a real port and no token", server.URL(), err, test.host)
			}
			nc, err := nats.Connect(server.URL(), nats.Token(test.token))
			if err != nil {
				t.Fatalf("Connect(%s): %v", server.URL(), err)
			}
			nc.Close()
		})
	}
}

func TestListenerAsksForTheToken(t *testing.T) {
	t.Parallel()
	const token = "swordfish"
	var out lines
	server := start(t, embedded.Options{
		Store: t.TempDir(), Listen: ":0", Token: token, Logger: zerolog.New(&out).Level(zerolog.TraceLevel),
	})
	for _, options := range [][]nats.Option{nil, {nats.Token("wrong-" + token)}} {
		nc, err := nats.Connect(server.URL(), options...)
		if !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("Connect without the token = %v, want %v", err, nats.ErrAuthorization)
		}
		if err == nil {
			nc.Close()
		}
	}
	if err := fill(client(t, server), "inside", 1); err != nil {
		t.Errorf("publish in process = %v, want nil", err)
	}
	if text := out.String(); strings.Contains(text, token) || !strings.Contains(text, "authentication error") {
		t.Errorf("log = %s, want the refusal in it and no token", text)
	}
}

func TestNewNamesABusyPortAndFreesTheStore(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	store := t.TempDir()
	_, err = embedded.New(embedded.Options{Store: store, Listen: busy.Addr().String()})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), busy.Addr().String()) {
		t.Errorf("New on a busy port = %v, want %v with the address", err, syscall.EADDRINUSE)
	}
	start(t, embedded.Options{Store: store})
}

// lines is a log's writer that may be read while the log is written.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}
