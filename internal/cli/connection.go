package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"sparkle/streams"
)

// Connection is how a program reaches NATS.
type Connection struct {
	NATSURL     string        `name:"nats-url" default:"nats://127.0.0.1:4222" placeholder:"URL" group:"connection" help:"NATS servers, separated by commas."`
	Creds       string        `placeholder:"FILE" group:"connection" help:"Credentials of the NATS user: a file with its JWT and key."`
	NKey        string        `name:"nkey" placeholder:"FILE" group:"connection" help:"Key of the NATS user: a file with its seed."`
	TLSCA       string        `name:"tls-ca" placeholder:"FILE" group:"connection" help:"PEM file with the certificate authority to trust."`
	TLSCert     string        `name:"tls-cert" placeholder:"FILE" group:"connection" help:"PEM file with the client's certificate."`
	TLSKey      string        `name:"tls-key" placeholder:"FILE" group:"connection" help:"PEM file with the client's key."`
	Namespace   string        `default:"sparkle" placeholder:"NAME" group:"connection" help:"Which of the systems that share the NATS account: 1 to 32 of a-z and 0-9."`
	ConnectWait time.Duration `default:"5s" placeholder:"DURATION" group:"connection" help:"How long to try to reach a server."`
}

const connectPause = 250 * time.Millisecond

// Validate checks what needs no server; kong calls it.
func (c Connection) Validate() error {
	if err := streams.Namespace(c.Namespace).Check(); err != nil {
		return fmt.Errorf("--namespace: %w", err)
	}
	if c.ConnectWait <= 0 {
		return fmt.Errorf("--connect-wait: %v is not above 0", c.ConnectWait)
	}
	return nil
}

// Connect tries to connect until ConnectWait is over; it says so on words when
// the first try found nobody. The caller closes the connection.
func (c Connection) Connect(ctx context.Context, name string, log zerolog.Logger, words io.Writer) (*nats.Conn, error) {
	deadline := time.Now().Add(c.ConnectWait)
	for first := true; ; first = false {
		nc, err := streams.Connect(streams.ConnectOptions{
			URL: c.NATSURL, Name: name, Creds: c.Creds, NKey: c.NKey,
			TLSCA: c.TLSCA, TLSCert: c.TLSCert, TLSKey: c.TLSKey,
			Wait: max(time.Until(deadline), connectPause), Log: log,
		})
		absent := errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout)
		if err == nil || !absent || time.Until(deadline) <= connectPause {
			return nc, err
		}
		if first {
			_, _ = fmt.Fprintf(words, "no NATS server answers yet; trying for %v (--connect-wait)\n", c.ConnectWait)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(connectPause):
		}
	}
}

// Client connects and checks that the namespace has its streams. The caller
// closes the connection.
func (c Connection) Client(ctx context.Context, name string, log zerolog.Logger, words io.Writer) (*streams.Client, *nats.Conn, error) {
	nc, err := c.Connect(ctx, name, log, words)
	if err != nil {
		return nil, nil, err
	}
	client, err := streams.NewClient(nc, streams.Namespace(c.Namespace))
	if err == nil {
		err = c.probe(ctx, client, nc)
	}
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	return client, nc, nil
}

func (c Connection) probe(ctx context.Context, client *streams.Client, nc *nats.Conn) error {
	err := client.Probe(ctx)
	if errors.Is(err, streams.ErrNoTopology) {
		return &Fault{
			Code: Failed, Err: fmt.Errorf("namespace %s has no streams at %s", c.Namespace, nc.ConnectedUrlRedacted()),
			Hint: Explain(err).Hint,
		}
	}
	if err != nil {
		return fmt.Errorf("look for namespace %s at %s: %w", c.Namespace, nc.ConnectedUrlRedacted(), err)
	}
	return nil
}
