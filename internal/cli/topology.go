package cli

import (
	"fmt"
	"time"

	"sparkle/streams"
	"sparkle/tasks"
)

// Topology is how long and how safely a namespace keeps what it knows; the
// programs that put streams in place share these flags, so that they agree.
type Topology struct {
	Replicas      int           `default:"1" placeholder:"N" group:"topology" help:"Servers that hold each stream and bucket, 1 to 5."`
	EventsAge     time.Duration `default:"168h" placeholder:"DURATION" group:"topology" help:"How long events and results are kept."`
	EventsPerTask int64         `default:"200" placeholder:"N" group:"topology" help:"How many events of one id are kept."`
	DeadAge       time.Duration `default:"720h" placeholder:"DURATION" group:"topology" help:"How long dead letters are kept."`
	UsageAge      time.Duration `default:"9600h" placeholder:"DURATION" group:"topology" help:"How long the usage ledger is kept; at least --dead-age."`
}

const (
	minAge      = time.Minute
	maxReplicas = 5
)

// Validate checks the limits; kong calls it.
func (t Topology) Validate() error {
	if t.Replicas < 1 || t.Replicas > maxReplicas {
		return fmt.Errorf("--replicas: %d is not within 1 to %d", t.Replicas, maxReplicas)
	}
	if t.EventsPerTask < 10 {
		return fmt.Errorf("--events-per-task: %d is less than 10", t.EventsPerTask)
	}
	for _, f := range []struct {
		name string
		age  time.Duration
	}{{"events-age", t.EventsAge}, {"dead-age", t.DeadAge}, {"usage-age", t.UsageAge}} {
		if f.age < minAge {
			return fmt.Errorf("--%s: %v is less than %v", f.name, f.age, minAge)
		}
	}
	return nil
}

// With returns the topology with these pools.
func (t Topology) With(pools []string) streams.Topology {
	return streams.Topology{
		Pools: pools, Replicas: t.Replicas, EventsAge: t.EventsAge, EventsPerTask: t.EventsPerTask,
		DeadAge: t.DeadAge, UsageAge: t.UsageAge,
	}
}

// CheckPools checks the values of --pools.
func CheckPools(pools []string) error {
	for _, pool := range pools {
		if !tasks.ValidName(pool) {
			return fmt.Errorf("--pools: %q is not 1 to 128 letters, digits, _ or -", Clip(pool, 64))
		}
	}
	return nil
}
