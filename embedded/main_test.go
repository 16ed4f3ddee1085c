package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"sparkle/embedded"
)

// holdStore names the store that a re-executed test binary is to hold until it
// is killed.
const holdStore = "SPARKLE_TEST_HOLD_STORE"

// patience bounds every wait of these tests.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	if store := os.Getenv(holdStore); store != "" {
		hold(store)
	}
	goleak.VerifyTestMain(m)
}

// hold stores some messages, says so and never returns.
func hold(store string) {
	err := errors.Join(publish(store, "kept", 100), errors.New("not killed"))
	fmt.Println(err)
	os.Exit(1)
}

// publish starts a server on the store that is not closed before the process
// ends.
func publish(store, stream string, messages int) error {
	server, err := embedded.New(embedded.Options{Store: store})
	if err != nil {
		return err
	}
	js, err := connect(server)
	if err != nil {
		return err
	}
	if err := fill(js, stream, messages); err != nil {
		return err
	}
	fmt.Println("stored")
	select {}
}

func connect(server *embedded.Server) (jetstream.JetStream, error) {
	nc, err := server.Connect()
	if err != nil {
		return nil, err
	}
	return jetstream.New(nc)
}

// fill makes a stream of one subject and stores messages in it.
func fill(js jetstream.JetStream, stream string, messages int) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	config := jetstream.StreamConfig{Name: stream, Subjects: []string{stream}}
	if _, err := js.CreateStream(ctx, config); err != nil {
		return err
	}
	for i := range messages {
		if _, err := js.Publish(ctx, stream, fmt.Append(nil, i)); err != nil {
			return err
		}
	}
	return nil
}

// start starts a server that is closed with the test.
func start(t *testing.T, o embedded.Options) *embedded.Server {
	t.Helper()
	server, err := embedded.New(o)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return server
}

// client returns a JetStream client whose connection is closed with the test.
func client(t *testing.T, server *embedded.Server, options ...nats.Option) jetstream.JetStream {
	t.Helper()
	nc, err := server.Connect(options...)
	if err != nil {
		t.Fatalf("Connect: %v", err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatalf("New client: %v", err)
	}
	return js
}

// stored returns the number of messages in a stream.
func stored(t *testing.T, js jetstream.JetStream, name string) uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream, err := js.Stream(ctx, name)
	if err != nil {
		t.Fatalf("Stream(%s): %v", name, err)
	}
	return stream.CachedInfo().State.Msgs
}
