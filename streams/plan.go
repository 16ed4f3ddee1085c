package streams

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// An Action is what becomes of an object whose state is not that of a topology.
type Action string

// The actions. A plan says what would be done, [Client.Ensure] what was done.
const (
	Created Action = "created"
	Updated Action = "updated"
	// Refused: the change could lose data, so it is made only when asked for.
	Refused Action = "refused"
	// Impossible: the server has no such change.
	Impossible Action = "impossible"
	// Unwanted: a queue's consumer whose pool the topology does not name. It
	// stays, for a consumer made anew would deliver again what the server has
	// given up.
	Unwanted Action = "unwanted"
)

// A Change is a difference between a server and a topology.
type Change struct {
	Object string   `json:"object"` // "stream SPARKLE_TASKS", "consumer high-main", …
	Action Action   `json:"action"`
	Fields []string `json:"fields,omitempty"` // "MaxAge: 24h0m0s → 168h0m0s"
	Reason string   `json:"reason,omitempty"` // why refused, impossible or unwanted
}

// String is one line for people.
func (c Change) String() string {
	line := c.Object + " " + string(c.Action)
	if len(c.Fields) > 0 {
		line += ": " + strings.Join(c.Fields, ", ")
	}
	if c.Reason != "" {
		line += " (" + c.Reason + ")"
	}
	return line
}

// A step is a change with what makes it; an Action of "" means that the object
// is right.
type step struct {
	Change
	do func(context.Context) error // nil where nothing can be done
}

// Plan returns how the server differs from t, and changes nothing. Refused
// changes have their reason. Consumers of pools that t does not name are listed
// as unwanted, which is no difference that Ensure would mend.
func (c *Client) Plan(ctx context.Context, t Topology) ([]Change, error) {
	steps, err := c.plan(ctx, t)
	if err != nil {
		return nil, err
	}
	changes := []Change{}
	for _, s := range steps {
		changes = append(changes, s.Change)
	}
	unwanted, err := c.unwanted(ctx, t)
	return append(changes, unwanted...), err
}

// Plan returns the steps in the order in which they can be taken.
func (c *Client) plan(ctx context.Context, t Topology) ([]step, error) {
	var steps []step
	note := func(s step, err error) error {
		if err == nil && s.Action != "" {
			steps = append(steps, s)
		}
		return err
	}
	for _, o := range c.kept(t) {
		if err := note(c.planKept(ctx, o)); err != nil {
			return nil, err
		}
	}
	pauses, err := c.Pauses(ctx)
	if err != nil && !errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, err
	}
	for _, q := range t.queues() {
		if err := note(c.planQueue(ctx, t, q, pauses)); err != nil {
			return nil, err
		}
	}
	return steps, note(c.planConsumer(ctx, "ADVISORIES", moverConsumer()))
}

// A kept is a stream or a bucket, which is a stream too.
type kept struct {
	label  string
	want   jetstream.StreamConfig
	fields []string // that the topology owns; an operator may set the others
	create func(context.Context) error
}

var (
	streamFields = []string{
		"Description", "Subjects", "Retention", "Storage", "Replicas", "MaxAge", "MaxMsgsPerSubject",
		"MaxMsgSize", "AllowMsgSchedules", "AllowMsgTTL", "AllowDirect", "AllowAtomicPublish", "AllowBatchPublish",
	}
	// What limits this stream drops tasks, for one with schedules cannot refuse.
	taskFields     = append(slices.Clone(streamFields), "MaxMsgs", "MaxBytes", "Discard")
	controlFields  = []string{"Description", "Storage", "Replicas", "MaxMsgsPerSubject", "AllowMsgTTL", "SubjectDeleteMarkerTTL"}
	blobFields     = []string{"Description", "Storage", "Replicas"}
	consumerFields = []string{"FilterSubject", "AckPolicy", "AckWait", "MaxDeliver", "MaxAckPending", "MaxWaiting"}
)

// Kept lists the streams and buckets of a topology.
func (c *Client) kept(t Topology) []kept {
	var list []kept
	for _, want := range t.streams(c.ns) {
		fields := streamFields
		if want.Name == c.ns.Stream("TASKS") {
			fields = taskFields
		}
		list = append(list, kept{"stream " + want.Name, want, fields, func(ctx context.Context) error {
			_, err := c.js.CreateStream(ctx, want)
			return err
		}})
	}
	control, blobs := t.control(c.ns), t.blobs(c.ns)
	return append(list,
		kept{"bucket " + control.Bucket, jetstream.StreamConfig{
			Name: "KV_" + control.Bucket, Description: control.Description, Storage: control.Storage, Replicas: control.Replicas,
			MaxMsgsPerSubject: int64(control.History), AllowMsgTTL: true, SubjectDeleteMarkerTTL: control.LimitMarkerTTL,
		}, controlFields, func(ctx context.Context) error {
			_, err := c.js.CreateKeyValue(ctx, control)
			return ignore(err, jetstream.ErrBucketExists)
		}},
		kept{"bucket " + blobs.Bucket, jetstream.StreamConfig{
			Name: "OBJ_" + blobs.Bucket, Description: blobs.Description, Storage: blobs.Storage, Replicas: blobs.Replicas,
		}, blobFields, func(ctx context.Context) error {
			_, err := c.js.CreateObjectStore(ctx, blobs)
			return ignore(err, jetstream.ErrBucketExists)
		}})
}

func (c *Client) planKept(ctx context.Context, o kept) (step, error) {
	s := step{Change: Change{Object: o.label}}
	found, err := c.js.Stream(ctx, o.want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s.Action, s.do = Created, o.create
		return s, nil
	}
	if err != nil {
		return s, wrap("look up", o.label, err)
	}
	have := found.CachedInfo().Config
	if s.Fields = differences(have, o.want, o.fields); len(s.Fields) == 0 {
		return s, nil
	}
	if s.Reason = fixed(have, o); s.Reason != "" {
		s.Action = Impossible
		return s, nil
	}
	s.Action = Updated
	if s.Reason = destructive(have, o); s.Reason != "" {
		s.Action = Refused
	}
	s.do = func(ctx context.Context) error {
		_, err := c.js.UpdateStream(ctx, merged(have, o.want, o.fields))
		return err
	}
	return s, nil
}

func (c *Client) planConsumer(ctx context.Context, kind string, want jetstream.ConsumerConfig) (step, error) {
	s := step{Change: Change{Object: "consumer " + want.Durable}}
	stream := c.ns.Stream(kind)
	found, err := c.js.Consumer(ctx, stream, want.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		s.Action, s.do = Created, func(ctx context.Context) error {
			_, err := c.js.CreateOrUpdateConsumer(ctx, stream, want)
			return err
		}
		return s, nil
	}
	if err != nil {
		return s, wrap("look up", s.Object, err)
	}
	have := found.CachedInfo().Config
	if s.Fields = differences(have, want, consumerFields); len(s.Fields) == 0 {
		return s, nil
	}
	if have.FilterSubject != want.FilterSubject {
		s.Action, s.Reason = Impossible, "its filter is "+have.FilterSubject+": another one would skip tasks"
		return s, nil
	}
	if have.AckPolicy != want.AckPolicy {
		s.Action, s.Reason = Impossible, "a consumer's ack policy cannot change"
		return s, nil
	}
	s.Action = Updated
	s.do = func(ctx context.Context) error {
		_, err := c.js.UpdateConsumer(ctx, stream, merged(have, want, consumerFields))
		return err
	}
	return s, nil
}

// Unwanted lists the queues that have a consumer and no place in t.
func (c *Client) unwanted(ctx context.Context, t Topology) ([]Change, error) {
	consumers, err := c.consumers(ctx)
	if errors.Is(err, ErrNoTopology) {
		return nil, nil // it is missing, which the plan says
	}
	var list []Change
	wanted := t.queues()
	for q := range consumers {
		if !slices.Contains(wanted, q) {
			list = append(list, Change{
				Object: "consumer " + q.String(), Action: Unwanted,
				Reason: fmt.Sprintf("pool %s is not named; it stays, since deleting it would run again what the server gave up", q.Pool),
			})
		}
	}
	slices.SortFunc(list, func(a, b Change) int { return strings.Compare(a.Object, b.Object) })
	return list, err
}

// Pools returns the pools that have a consumer, sorted.
func (c *Client) Pools(ctx context.Context) ([]string, error) {
	consumers, err := c.consumers(ctx)
	if err != nil {
		return nil, err
	}
	return poolsOf(consumers), nil
}

func poolsOf(consumers map[tasks.Queue]*jetstream.ConsumerInfo) []string {
	var pools []string
	for q := range consumers {
		pools = append(pools, q.Pool)
	}
	slices.Sort(pools)
	return slices.Compact(pools)
}
