package main_test

import (
	"testing"
	"time"

	consumer "sparkle/cmd/consumer"
	"sparkle/internal/cli/clitest"
)

func TestMisuseExitsWithTwo(t *testing.T) {
	for name, row := range map[string]struct {
		args []string
		env  map[string]string
		want string
	}{
		"an argument":                 {args: []string{"tea"}, want: "unexpected argument tea"},
		"no slots":                    {args: []string{"--concurrency", "0"}, want: "--concurrency: 0 is not within 1 to 10000"},
		"a negative grace":            {args: []string{"--grace=-1s"}, want: "--grace: -1s is negative"},
		"a bad pool":                  {args: []string{"--pools", "a,b.c"}, want: `--pools: "b.c" is not`},
		"too many replicas":           {args: []string{"--replicas", "9"}, want: "--replicas: 9 is not within 1 to 5"},
		"a bad priority":              {args: []string{"--priorities", "high,urgent"}, want: "--priorities must be"},
		"two weights":                 {args: []string{"--weights", "6:3"}, want: "want three numbers such as 6:3:1"},
		"a weight of nothing":         {args: []string{"--weights", "6:3:0"}, want: "want numbers from 1 to 1000"},
		"a bad weight in a variable":  {env: map[string]string{"SPARKLE_WEIGHTS": "x"}, want: "(from SPARKLE_WEIGHTS)"},
		"strict with weights":         {args: []string{"--strict", "--weights", "6:3:1"}, want: "--strict and --weights exclude each other"},
		"an address without a port":   {args: []string{"--http", "localhost"}, want: "want host:port such as 127.0.0.1:8080, or off"},
		"a port out of range":         {args: []string{"--http", "127.0.0.1:70000"}, want: "want a port from 0 to 65535"},
		"open HTTP":                   {args: []string{"--http", "0.0.0.0:0"}, want: "--http 0.0.0.0:0: other machines could read it; use a loopback address such as 127.0.0.1, or set --http-token"},
		"open HTTP by a name":         {args: []string{"--http", "queue.example:80"}, want: "other machines could read it"},
		"an open server":              {args: []string{"--dev", "--listen", "[::]:0"}, want: "--listen [::]:0: other machines could connect; use a loopback address"},
		"a server's flag without one": {args: []string{"--store", "x"}, want: "--store is the server's of --dev"},
		"another server beside dev":   {args: []string{"--dev", "--nats-url", "x"}, want: "--dev runs a server of its own; leave out --nats-url"},
		"a bad sync":                  {args: []string{"--dev", "--sync", "1ns"}, want: "--sync"},
		"a bad level":                 {args: []string{"--log-level", "loud"}, want: "--log-level must be one of"},
	} {
		t.Run(name, func(t *testing.T) {
			got := clitest.Run(t, consumer.Run, clitest.Input{Args: row.args, Env: row.env})
			if got.Code != 2 || got.Out != "" {
				t.Errorf("exit %d with %q on stdout, want 2 with nothing", got.Code, got.Out)
			}
			clitest.Contains(t, got.Err, "consumer: ", row.want)
		})
	}
}

func TestAbsentServerIsToldInBoundedTime(t *testing.T) {
	began := time.Now()
	got := clitest.Run(t, consumer.Run, clitest.Input{Args: []string{"--http", "off", "--nats-url", "nats://127.0.0.1:1", "--connect-wait", "300ms"}})
	if took := time.Since(began); got.Code != 1 || took > 5*time.Second {
		t.Errorf("exit %d after %v, want 1 after about 300ms", got.Code, took)
	}
	clitest.Contains(t, got.Err, "connect to nats://127.0.0.1:1: no server answers there", "consumer --dev")
}
