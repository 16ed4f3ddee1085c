package embedded

import (
	"cmp"
	"fmt"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nuid"
	"github.com/rs/zerolog"
)

const (
	defaultStore        = ".sparkle"
	defaultMaxStore     = 10 << 30
	defaultMaxMemory    = 256 << 20
	defaultMaxPayload   = 1 << 20
	defaultReadyTimeout = 10 * time.Second

	// maxMaxPayload is where the NATS server begins to warn.
	maxMaxPayload = server.MAX_PAYLOAD_MAX_SIZE
)

// Options configure a Server. The zero value works: a store in the working
// directory and no listener.
type Options struct {
	// Store is the directory of JetStream's files, made with mode 0700 when it
	// is missing. One server at a time holds it. Default ".sparkle".
	Store string

	// Listen is the host:port for NATS clients outside the process. Empty
	// means no listener; an empty host is 127.0.0.1, not every interface; port
	// 0 is a free one, which URL tells. A host other than a loopback address
	// or localhost needs a Token. There is no TLS: a listener that leaves the
	// machine belongs in a private network.
	Listen string

	// Token is the secret that clients of the listener must present; Connect
	// presents it by itself. Empty means none, so that every program of this
	// machine can connect to a listener.
	Token string

	// Sync is how often written messages are forced to disk. Default 1s; from
	// 10ms to 10m, or SyncAlways.
	Sync Sync

	// MaxStore is how many bytes all file streams together may hold; further
	// publishes are refused. Default 10 GiB.
	MaxStore int64

	// MaxMemory is how many bytes all memory streams together may hold.
	// Default 256 MiB. File streams do not count.
	MaxMemory int64

	// MaxPayload is the largest message in bytes, headers included. Default
	// 1 MiB; at most 8 MiB.
	MaxPayload int

	// ReadyTimeout is how long New waits for the server to be ready. Default
	// 10s; raise it for a store whose recovery takes longer.
	ReadyTimeout time.Duration

	// Logger takes the server's lines: its notices at debug, its debug lines
	// at trace, warnings and errors at their own level. What stops it from
	// starting is New's error and not logged. Protocol, payloads and the token
	// are never logged. The zero value logs nothing.
	Logger zerolog.Logger
}

// withDefaults returns the options with every zero field filled in.
func (o Options) withDefaults() Options {
	o.Store = cmp.Or(o.Store, defaultStore)
	o.Sync = cmp.Or(o.Sync, defaultSync)
	o.MaxStore = cmp.Or(o.MaxStore, defaultMaxStore)
	o.MaxMemory = cmp.Or(o.MaxMemory, defaultMaxMemory)
	o.MaxPayload = cmp.Or(o.MaxPayload, defaultMaxPayload)
	o.ReadyTimeout = cmp.Or(o.ReadyTimeout, defaultReadyTimeout)
	return o
}

// config checks the options and turns them into the server's own.
func (o Options) config() (*server.Options, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	address, err := parseListen(o.Listen)
	if err != nil {
		return nil, err
	}
	if address.remote() && o.Token == "" {
		return nil, fmt.Errorf("listen on %s: other machines could connect unasked, set Token or use 127.0.0.1", o.Listen)
	}
	store, err := filepath.Abs(o.Store)
	if err != nil {
		return nil, fmt.Errorf("find Store %q: %w", o.Store, err)
	}
	return &server.Options{
		ServerName: "sparkle-" + nuid.Next(),
		NoSigs:     true,
		NoLog:      true, // SetLoggerV2 follows; this only keeps the server from making its own

		DontListen:    !address.set,
		Host:          address.host,
		Port:          address.port,
		Authorization: o.Token,
		MaxPayload:    int32(o.MaxPayload),

		JetStream:              true,
		StoreDir:               store,
		JetStreamMaxStore:      o.MaxStore,
		JetStreamMaxMemory:     o.MaxMemory,
		SyncAlways:             o.Sync == SyncAlways,
		SyncInterval:           o.Sync.interval(),
		DisableJetStreamBanner: true,
	}, nil
}

// check finds the first field that is out of its limits.
func (o Options) check() error {
	switch {
	case o.MaxStore < 0:
		return fmt.Errorf("check MaxStore: %d, want bytes above 0", o.MaxStore)
	case o.MaxMemory < 0:
		return fmt.Errorf("check MaxMemory: %d, want bytes above 0", o.MaxMemory)
	case o.MaxPayload < 0 || o.MaxPayload > maxMaxPayload:
		return fmt.Errorf("check MaxPayload: %d, want bytes from 1 to %d", o.MaxPayload, maxMaxPayload)
	case o.ReadyTimeout < 0:
		return fmt.Errorf("check ReadyTimeout: %v, want a duration above 0", o.ReadyTimeout)
	}
	return o.Sync.check()
}
