package cli_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"sparkle/internal/cli"
	"sparkle/internal/cli/clitest"
	"sparkle/streams/streamstest"
)

// Connects is a program that only connects.
func connects(t *testing.T) clitest.Program {
	return programOf(func(g *grammar, std cli.Std, _ cli.Given) error {
		client, nc, err := g.Client(t.Context(), "test", g.Logger(std), std.Err)
		if err != nil {
			return err
		}
		nc.Close()
		_, err = std.Out.Write([]byte(client.Namespace()))
		return err
	})
}

func TestAbsentServerIsToldInBoundedTime(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	began := time.Now()
	got := clitest.Run(t, connects(t), clitest.Input{Args: []string{"--nats-url", "nats://user:secret@" + address, "--connect-wait", "600ms"}})
	if took := time.Since(began); got.Code != 1 || took > 5*time.Second {
		t.Errorf("exit %d after %v, want 1 after about 600ms", got.Code, took)
	}
	clitest.Contains(t, got.Err, "no NATS server answers yet; trying for 600ms", "consumer: connect to nats://…@"+address, "consumer --dev")
}

func TestConnectWaitsForAServerThatComes(t *testing.T) {
	var words clitest.Buffer
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	ended := make(chan int, 1)
	in := clitest.Input{Args: []string{"--nats-url", "nats://" + address, "--connect-wait", "20s"}}
	go func() { ended <- connects(t)(t.Context(), clitest.Std(in, &words, &words)) }()
	clitest.Eventually(t, "it tries", func() bool { return words.String() != "" })
	streamstest.New(t, streamstest.Options{Listen: address})
	// The server listens before it has its streams.
	if code := <-ended; code != 0 && !strings.Contains(words.String(), "has no streams") {
		t.Errorf("exit %d: %s", code, words.String())
	}
}

func TestServerWithoutStreamsIsToldApart(t *testing.T) {
	s := streamstest.New(t, streamstest.Options{Listen: "127.0.0.1:0"})
	got := clitest.Run(t, connects(t), clitest.Input{Args: []string{"--nats-url", s.URL(), "--namespace", "other"}})
	if got.Code != 1 {
		t.Errorf("exit %d, want 1", got.Code)
	}
	clitest.Contains(t, got.Err, "namespace other has no streams at "+s.URL(), "hint: start a consumer")
	if got := clitest.Run(t, connects(t), clitest.Input{Args: []string{"--nats-url", s.URL()}}); got.Out != "sparkle" || got.Err != "" {
		t.Errorf("printed %q and %q, want sparkle and nothing", got.Out, got.Err)
	}
}

func TestServerWithoutJetStreamIsToldApart(t *testing.T) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	got := clitest.Run(t, connects(t), clitest.Input{Args: []string{"--nats-url", s.ClientURL()}})
	if got.Code != 1 {
		t.Errorf("exit %d, want 1", got.Code)
	}
	clitest.Contains(t, got.Err, "look for namespace sparkle at "+s.ClientURL(), "start the NATS server with -js")
}

func TestCredentialsThatAreNotThereAreTold(t *testing.T) {
	for _, flag := range []string{"--creds", "--nkey", "--tls-ca", "--tls-cert"} {
		got := clitest.Run(t, connects(t), clitest.Input{Args: []string{flag, "/none/at/all"}})
		if got.Code != 1 {
			t.Errorf("%s: exit %d, want 1", flag, got.Code)
		}
		clitest.Contains(t, got.Err, flag)
	}
}
