package streams_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/nats-io/nats.go"

	"sparkle/embedded"
	"sparkle/streams"
	"sparkle/tasks"
)

// Form is the codec of HTML forms: an object of strings.
type form struct{}

func (form) ContentType() string { return "application/x-www-form-urlencoded" }

func (form) Encode(value json.RawMessage) ([]byte, error) {
	var fields map[string]string
	if err := json.Unmarshal(value, &fields); err != nil {
		return nil, errors.New("want an object of strings")
	}
	values := url.Values{}
	for name, text := range fields {
		values.Set(name, text)
	}
	return []byte(values.Encode()), nil
}

func (form) Decode(data []byte) (json.RawMessage, error) {
	values, err := url.ParseQuery(string(data))
	if err != nil {
		return nil, errors.New("want name=value&…")
	}
	fields := map[string]string{}
	for name := range values {
		fields[name] = values.Get(name)
	}
	return json.Marshal(fields)
}

// What a web form sends is a task as it is, and the handler gets JSON.
func ExampleCodec() {
	if err := takeForm(); err != nil {
		fmt.Println(err)
	}
	// Output: {"text":"green tea"}
}

func takeForm() error {
	store, err := os.MkdirTemp("", "sparkle")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(store) }()
	server, err := embedded.New(embedded.Options{Store: store})
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	nc, err := server.Connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	client, err := streams.NewClient(nc, streams.DefaultNamespace)
	if err != nil {
		return err
	}
	client.Codecs = []streams.Codec{form{}}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	if _, err := client.Ensure(ctx, streams.Topology{}); err != nil {
		return err
	}
	worker, err := tasks.NewWorker(tasks.WorkerOptions{
		Source: streams.NewSource(client, streams.SourceOptions{}), Registry: carrying(same),
	})
	if err != nil {
		return err
	}
	m := nats.NewMsg("sparkle.tasks.ready.high.main.carry.my-form")
	m.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	m.Data = []byte("text=green+tea")
	if _, err := nc.RequestMsgWithContext(ctx, m); err != nil {
		return err
	}
	worked := make(chan error, 1)
	go func() { worked <- worker.Run(ctx) }()
	end, err := client.Await(ctx, "my-form", "")
	if err != nil {
		return err
	}
	fmt.Println(string(end.Result))
	stop()
	return <-worked
}
