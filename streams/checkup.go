package streams

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// CheckupOptions bounds a [Checkup].
type CheckupOptions struct {
	// Sample is how many messages of a stream one look reads at most, the
	// oldest ones. Default 10,000.
	Sample int
	// Wait is how long a probe may take. Default 5 s.
	Wait time.Duration
	// AckWait is that of the topology. Default 12 s.
	AckWait time.Duration
}

// A Checkup looks at a namespace from outside and tells facts; what they mean,
// and what to do, is the caller's to say. It needs no topology: what is missing
// is [ErrNoTopology]. Its probes clean up after themselves, and would vanish
// within a minute where they cannot. It is safe for concurrent use.
type Checkup struct {
	*Client
	options CheckupOptions
}

// NewCheckup returns a checkup over c.
func NewCheckup(c *Client, o CheckupOptions) *Checkup {
	o.Sample = cmp.Or(o.Sample, 10_000)
	o.Wait = cmp.Or(o.Wait, 5*time.Second)
	o.AckWait = Topology{AckWait: o.AckWait}.withDefaults().AckWait
	return &Checkup{Client: c, options: o}
}

// ServerFacts is what the connection knows of its server.
type ServerFacts struct {
	Name, Version, URL string
	RoundTrip          time.Duration
}

// Server returns what the connected server says of itself.
func (k *Checkup) Server() (ServerFacts, error) {
	took, err := k.nc.RTT()
	return ServerFacts{
		Name: k.nc.ConnectedServerName(), Version: k.nc.ConnectedServerVersion(), URL: k.nc.ConnectedUrlRedacted(), RoundTrip: took,
	}, wrap("reach", "the server", err)
}

// Clock returns how far the clock of the server that leads TASKS is ahead of
// ours, to half of a round trip.
func (k *Checkup) Clock(ctx context.Context) (time.Duration, error) {
	asked := time.Now()
	stream, err := k.js.Stream(ctx, k.ns.Stream("TASKS"))
	if err != nil {
		return 0, k.missing(err)
	}
	middle := asked.Add(time.Since(asked) / 2)
	return stream.CachedInfo().TimeStamp.Sub(middle.Round(0)), nil
}

// Account returns the use and the limits of JetStream in this account.
func (k *Checkup) Account(ctx context.Context) (*jetstream.AccountInfo, error) {
	info, err := k.js.AccountInfo(ctx)
	return info, wrap("ask for", "the JetStream account", err)
}

// StreamFacts is how full a stream or bucket is. A limit of 0 is none.
type StreamFacts struct {
	Name               string
	Messages, Bytes    uint64
	MaxMsgs, MaxBytes  int64
	MaxAge             time.Duration
	Oldest             time.Time
	Refuses            bool // at its limit, instead of dropping its oldest messages
	Replicas, InSync   int  // InSync counts the leader too
	HoldsTasks, Bucket bool
}

// Full returns the share of its narrowest limit that the stream has used, 0
// where it has none.
func (f StreamFacts) Full() float64 {
	full := 0.0
	if f.MaxMsgs > 0 {
		full = float64(f.Messages) / float64(f.MaxMsgs)
	}
	if f.MaxBytes > 0 {
		full = max(full, float64(f.Bytes)/float64(f.MaxBytes))
	}
	return full
}

// Streams returns the namespace's streams and buckets that exist.
func (k *Checkup) Streams(ctx context.Context) ([]StreamFacts, error) {
	var list []StreamFacts
	for _, o := range k.kept(Topology{}) {
		stream, err := k.js.Stream(ctx, o.want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return nil, wrap("look up", o.label, err)
		}
		list = append(list, k.streamFacts(stream.CachedInfo()))
	}
	return list, nil
}

func (k *Checkup) streamFacts(info *jetstream.StreamInfo) StreamFacts {
	f := StreamFacts{
		Name: info.Config.Name, Messages: info.State.Msgs, Bytes: info.State.Bytes,
		MaxMsgs: max(info.Config.MaxMsgs, 0), MaxBytes: max(info.Config.MaxBytes, 0), MaxAge: info.Config.MaxAge,
		Refuses: info.Config.Discard == jetstream.DiscardNew, Replicas: info.Config.Replicas, InSync: 1,
		HoldsTasks: info.Config.Name == k.ns.Stream("TASKS"),
	}
	if f.Messages > 0 {
		f.Oldest = info.State.FirstTime
	}
	if info.Cluster != nil {
		for _, replica := range info.Cluster.Replicas {
			if replica.Current && !replica.Offline {
				f.InSync++
			}
		}
	}
	return f
}

// MoverFacts is what the mover has to do, and whether anybody does it.
type MoverFacts struct {
	Pulls   int       // open ones: processes that run a mover
	Pending uint64    // advisories that nobody has read
	Leased  int       // advisories that are being moved, or that failed and come again
	Swept   time.Time // when a sweep began last; zero when none did
}

// Mover returns the state of the mover and of the sweep.
func (k *Checkup) Mover(ctx context.Context) (MoverFacts, error) {
	consumer, err := k.js.Consumer(ctx, k.ns.Stream("ADVISORIES"), moverConsumer().Durable)
	if err != nil {
		return MoverFacts{}, wrap("look up", "the mover's consumer", k.missing(err))
	}
	info := consumer.CachedInfo()
	f := MoverFacts{Pulls: info.NumWaiting, Pending: info.NumPending, Leased: info.NumAckPending}
	control, err := k.controlBucket(ctx)
	if err != nil {
		return f, err
	}
	entry, err := control.Get(ctx, sweepKey)
	if err == nil {
		f.Swept = entry.Created()
	}
	return f, wrap("read", "the time of the last sweep", ignore(err, jetstream.ErrKeyNotFound))
}
