package embedded_test

import (
	"context"
	"fmt"
	"os"

	"github.com/nats-io/nats.go/jetstream"

	"sparkle/embedded"
)

// The server's context ends after the work, so that the work can drain.
func Example() {
	store, _ := os.MkdirTemp("", "sparkle")
	defer func() { _ = os.RemoveAll(store) }()

	server, err := embedded.New(embedded.Options{Store: store})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- server.Run(ctx) }()

	work(server)

	stop()
	fmt.Println("server:", <-stopped)
	// Output:
	// stored as 1
	// server: <nil>
}

func work(server *embedded.Server) {
	nc, err := server.Connect()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer nc.Close()
	js, _ := jetstream.New(nc)
	_, _ = js.CreateStream(context.Background(), jetstream.StreamConfig{Name: "GREETINGS", Subjects: []string{"hello"}})
	ack, err := js.Publish(context.Background(), "hello", []byte("world"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("stored as", ack.Sequence)
}
