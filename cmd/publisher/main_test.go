package main_test

import (
	"testing"

	"go.uber.org/goleak"

	publisher "sparkle/cmd/publisher"
	"sparkle/internal/cli"
	"sparkle/internal/cli/clitest"
	"sparkle/streams/streamstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, streamstest.KnownLeak()) }

// A fleet is a server that the program can reach.
type fleet struct{ *streamstest.Server }

func newFleet(t *testing.T) fleet {
	t.Helper()
	return fleet{streamstest.New(t, streamstest.Options{Listen: "127.0.0.1:0"})}
}

// Work lets a worker run the types that the program knows.
func (f fleet) work(t *testing.T) { f.Work(t, cli.Handled(f.Client)) }

func (f fleet) run(t *testing.T, stdin string, args ...string) clitest.Result {
	t.Helper()
	return clitest.Run(t, publisher.Run, clitest.Input{
		Args: args, Stdin: stdin, Env: map[string]string{"SPARKLE_NATS_URL": f.URL()},
	})
}

// Alone runs the program where there is no server.
func alone(t *testing.T, args ...string) clitest.Result {
	t.Helper()
	return clitest.Run(t, publisher.Run, clitest.Input{Args: append(args, "--nats-url", "nats://127.0.0.1:1", "--connect-wait", "50ms")})
}

const rerank = `{"query":"green tea","documents":[{"id":"a","text":"black coffee"},{"id":"b","text":"green tea"}]}`
