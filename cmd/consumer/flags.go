package main

import (
	"fmt"
	"time"

	"sparkle/embedded"
	"sparkle/internal/cli"
	"sparkle/tasks"
)

// Flags are the program's command line.
type flags struct {
	Dev         bool             `help:"Run everything in this process: a NATS server, the worker and HTTP."`
	Name        string           `placeholder:"NAME" help:"The worker's name in events and logs. Default: host and process id."`
	Concurrency int              `default:"10" placeholder:"N" help:"Slots: how many tasks run at a time, 1 to 10000."`
	Pools       []string         `default:"main" placeholder:"POOL" help:"Pools to serve."`
	Priorities  []tasks.Priority `enum:"high,default,low" default:"high,default,low" placeholder:"PRIORITY" help:"Priorities to serve, of ${enum}."`
	Weights     weights          `default:"6:3:1" placeholder:"H:D:L" help:"Shares of the slots for high, default and low while all have work, each 1 to 1000."`
	Strict      bool             `help:"Serve the highest priority that has work; the others keep a twentieth of the slots each."`
	Grace       time.Duration    `default:"30s" placeholder:"DURATION" help:"How long running tasks may go on once the process is told to stop; 0s is none."`
	HTTP        address          `name:"http" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where /healthz, /readyz and /metrics are served; port 0 is a free one, off is nowhere."`
	HTTPToken   string           `name:"http-token" placeholder:"SECRET" help:"Bearer token for HTTP, health and readiness excepted. Needed where --http is no loopback address; better set by its variable."`

	Listen      address       `default:"127.0.0.1:4222" placeholder:"HOST:PORT" help:"With --dev: where the NATS server listens; port 0 is a free one, off is nowhere."`
	ListenToken string        `placeholder:"SECRET" help:"With --dev: token that NATS clients must present (nats://SECRET@host:port). Needed where --listen is no loopback address; better set by its variable."`
	Store       string        `default:".sparkle" placeholder:"DIR" help:"With --dev: directory of the server's files."`
	Sync        embedded.Sync `default:"1s" placeholder:"DURATION" help:"With --dev: how often files are forced to disk, 10ms to 10m, or always; a power loss costs what came since."`

	cli.Topology
	cli.Shared
}

// Validate checks what kong's tags cannot say; kong calls it.
func (f *flags) Validate() error {
	if f.Concurrency < 1 || f.Concurrency > 10_000 {
		return fmt.Errorf("--concurrency: %d is not within 1 to 10000", f.Concurrency)
	}
	if f.Grace < 0 {
		return fmt.Errorf("--grace: %v is negative", f.Grace)
	}
	if err := cli.CheckPools(f.Pools); err != nil {
		return err
	}
	return f.Topology.Validate()
}

// Check finds flags that contradict each other, and doors left open.
func (f *flags) check(given cli.Given) error {
	if err := given.Both("strict", "weights"); err != nil {
		return err
	}
	if f.Dev {
		for _, name := range []string{"nats-url", "creds", "nkey", "tls-ca", "tls-cert", "tls-key"} {
			if given[name] {
				return cli.Misuse("--dev runs a server of its own; leave out --%s, or --dev", name)
			}
		}
	} else {
		for _, name := range []string{"listen", "listen-token", "store", "sync"} {
			if given[name] {
				return cli.Misuse("--%s is the server's of --dev; without --dev there is none", name)
			}
		}
	}
	if f.HTTP.remote() && f.HTTPToken == "" {
		return cli.Misuse("--http %s: other machines could read it; use a loopback address such as 127.0.0.1, or set --http-token", f.HTTP)
	}
	if f.Dev && f.Listen.remote() && f.ListenToken == "" {
		return cli.Misuse("--listen %s: other machines could connect; use a loopback address such as 127.0.0.1, or set --listen-token", f.Listen)
	}
	return nil
}

// GraceOption is the grace as the worker takes it: there, 0 is the default.
func (f *flags) graceOption() time.Duration {
	if f.Grace == 0 {
		return -1
	}
	return f.Grace
}
