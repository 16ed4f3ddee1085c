package main_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"regexp"
	"testing"
	"time"

	"go.uber.org/goleak"

	consumer "sparkle/cmd/consumer"
	"sparkle/internal/cli"
	"sparkle/internal/cli/clitest"
	"sparkle/streams"
	"sparkle/streams/streamstest"
	"sparkle/tasks"
)

// asProgram makes the test binary the program itself, with the types of the
// tests.
const asProgram = "SPARKLE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		consumer.Start(types(nil, 2*time.Second))
	}
	goleak.VerifyTestMain(m, streamstest.KnownLeak())
}

type nothing struct{}

// Types adds to the program's own types nap, which runs until release is closed
// or as long as length, where that is not 0.
func types(release <-chan struct{}, length time.Duration) func(*streams.Client) *tasks.Registry {
	return func(c *streams.Client) *tasks.Registry {
		r := cli.Handled(c)
		tasks.Handle(r, tasks.Type[nothing, string]{Name: "nap"}, func(ctx context.Context, _ nothing) (string, error) {
			var over <-chan time.Time
			if length > 0 {
				over = time.After(length)
			}
			select {
			case <-release:
			case <-over:
			case <-ctx.Done():
				return "", context.Cause(ctx)
			}
			return "rested", nil
		})
		return r
	}
}

// A process is the program running in the test.
type process struct {
	words     clitest.Buffer
	stop      context.CancelFunc
	ended     chan int
	http, url string
}

// Start runs the program until stop is called or the test ends, and returns once
// it listens.
func start(t *testing.T, release <-chan struct{}, env map[string]string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{stop: cancel, ended: make(chan int, 1)}
	std := clitest.Std(clitest.Input{Args: append([]string{"--http", "127.0.0.1:0"}, args...), Env: env}, io.Discard, &p.words)
	length := time.Duration(0)
	if release == nil {
		length = time.Millisecond
	}
	go func() { p.ended <- consumer.RunTypes(ctx, std, types(release, length)) }()
	t.Cleanup(func() { p.end(t) })
	clitest.Eventually(t, "it listens", func() bool { return p.listening() || len(p.ended) > 0 })
	if p.http == "" {
		t.Fatalf("it ended: %s", p.words.String())
	}
	return p
}

var listening = regexp.MustCompile(`(?m)^listening: http=(\S+) nats=(\S+)$`)

func (p *process) listening() bool {
	found := listening.FindStringSubmatch(p.words.String())
	if found != nil {
		p.http, p.url = found[1], found[2]
	}
	return found != nil
}

// End stops the program and returns its exit code.
func (p *process) end(t *testing.T) int {
	t.Helper()
	p.stop()
	select {
	case code := <-p.ended:
		p.ended <- code
		return code
	case <-time.After(20 * time.Second):
		t.Fatalf("it does not end: %s", p.words.String())
		return -1
	}
}

// Dev starts the program with a server of its own.
func dev(t *testing.T, release <-chan struct{}, args ...string) *process {
	t.Helper()
	return start(t, release, nil, append([]string{"--dev", "--listen", "127.0.0.1:0", "--store", t.TempDir()}, args...)...)
}

// Client connects to what the program listens on.
func client(t *testing.T, url string) *streams.Client {
	t.Helper()
	nc, err := streams.Connect(streams.ConnectOptions{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	c, err := streams.NewClient(nc, "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func publish(t *testing.T, c *streams.Client, id string) {
	t.Helper()
	p := streams.NewPublisher(c, streams.PublisherOptions{})
	if _, err := p.Publish(t.Context(), tasks.Task{Type: "nap", ID: id, Payload: json.RawMessage(`{}`)}); err != nil {
		t.Fatal(err)
	}
}

func settle(t *testing.T, c *streams.Client, id string, state tasks.State) {
	t.Helper()
	clitest.Eventually(t, id+" is "+string(state), func() bool {
		info, err := c.Task(t.Context(), id)
		return err == nil && info.State == state
	})
}

func get(t *testing.T, url string, change ...func(*http.Request)) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, fn := range change {
		fn(r)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}
