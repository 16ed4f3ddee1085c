package streams

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// A Change is what Ensure did, or found that it must not do, to one object.
type Change struct {
	Object string   // "stream SPARKLE_TASKS", "consumer high-main", …
	Action string   // created, updated, refused; "" when it was right already
	Fields []string // "MaxAge: 24h0m0s → 168h0m0s"
}

// String is one line for people.
func (c Change) String() string {
	line := c.Object + " " + c.Action
	if len(c.Fields) > 0 {
		line += ": " + strings.Join(c.Fields, ", ")
	}
	return line
}

// ErrDestructive is returned by Ensure when the server's topology differs in a
// way that only losing data could mend. Nothing was changed in that object.
var ErrDestructive = errors.New("change would lose data")

// Ensure reconciles the server with t: it creates what is missing and updates
// what differs, and may be called by any number of processes at once. It returns
// the changes. An object whose change could lose data (a shorter retention, fewer
// replicas of a subject, another storage) is left as it is: then the error is
// ErrDestructive.
func (c *Client) Ensure(ctx context.Context, t Topology) ([]Change, error) {
	var changes []Change
	var refused []error
	note := func(change Change, err error) error {
		if change.Action != "" {
			changes = append(changes, change)
		}
		if errors.Is(err, ErrDestructive) {
			refused = append(refused, err)
			return nil
		}
		return err
	}
	for _, config := range t.streams(c.ns) {
		if err := note(c.ensureStream(ctx, config)); err != nil {
			return changes, err
		}
	}
	if err := note(c.ensureBuckets(ctx, t)); err != nil {
		return changes, err
	}
	pauses, err := c.Pauses(ctx)
	if err != nil {
		return changes, err
	}
	for _, q := range t.queues() {
		if err := note(c.ensureQueue(ctx, t, q, pauses)); err != nil {
			return changes, err
		}
	}
	if err := note(c.ensureConsumer(ctx, "ADVISORIES", moverConsumer())); err != nil {
		return changes, err
	}
	return changes, errors.Join(refused...)
}

func (c *Client) ensureStream(ctx context.Context, want jetstream.StreamConfig) (Change, error) {
	change := Change{Object: "stream " + want.Name}
	found, err := c.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		change.Action = "created"
		_, err = c.js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another process was first
			return c.ensureStream(ctx, want)
		}
		return change, wrap("create", change.Object, err)
	}
	if err != nil {
		return change, wrap("look up", change.Object, err)
	}
	have := found.CachedInfo().Config
	change.Fields = differences(have, want, streamFields)
	if len(change.Fields) == 0 {
		return change, nil
	}
	if reason := destructive(have, want); reason != "" {
		change.Action = "refused"
		return change, fmt.Errorf("%s: %s: %w", change.Object, reason, ErrDestructive)
	}
	change.Action = "updated"
	_, err = c.js.UpdateStream(ctx, merged(have, want))
	return change, wrap("update", change.Object, err)
}

// StreamFields are the fields that the topology owns; an operator may set the
// others.
var streamFields = []string{
	"Description", "Subjects", "Retention", "Storage", "Replicas", "MaxAge", "MaxMsgsPerSubject",
	"MaxMsgSize", "AllowMsgSchedules", "AllowMsgTTL", "AllowDirect", "AllowAtomicPublish", "AllowBatchPublish",
}

var consumerFields = []string{"FilterSubject", "AckPolicy", "AckWait", "MaxDeliver", "MaxAckPending", "MaxWaiting"}

func differences(have, want any, fields []string) []string {
	var found []string
	h, w := reflect.ValueOf(have), reflect.ValueOf(want)
	for _, name := range fields {
		a, b := h.FieldByName(name), w.FieldByName(name)
		if equalField(a, b) {
			continue
		}
		found = append(found, fmt.Sprintf("%s: %v → %v", name, a.Interface(), b.Interface()))
	}
	return found
}

// EqualField takes an unset number for whatever default the server filled in.
func equalField(have, want reflect.Value) bool {
	if subjects, ok := want.Interface().([]string); ok {
		a, b := slices.Sorted(slices.Values(have.Interface().([]string))), slices.Sorted(slices.Values(subjects))
		return slices.Equal(a, b)
	}
	if want.CanInt() && want.IsZero() {
		return have.Int() <= 0 || want.Type() != reflect.TypeFor[int64]()
	}
	return reflect.DeepEqual(have.Interface(), want.Interface())
}

func destructive(have, want jetstream.StreamConfig) string {
	lost := slices.DeleteFunc(slices.Clone(have.Subjects), func(s string) bool { return slices.Contains(want.Subjects, s) })
	switch {
	case have.Retention != want.Retention:
		return "its retention policy cannot change"
	case have.Storage != want.Storage:
		return "its storage cannot change"
	case len(lost) > 0:
		return "it would no longer take " + strings.Join(lost, ", ")
	case want.MaxAge > 0 && (have.MaxAge == 0 || have.MaxAge > want.MaxAge):
		return fmt.Sprintf("it keeps messages for %v, and %v would delete some", have.MaxAge, want.MaxAge)
	case want.MaxMsgsPerSubject > 0 && (have.MaxMsgsPerSubject <= 0 || have.MaxMsgsPerSubject > want.MaxMsgsPerSubject):
		return fmt.Sprintf("it keeps %d messages a subject, and %d would delete some", have.MaxMsgsPerSubject, want.MaxMsgsPerSubject)
	case have.Replicas > want.Replicas:
		return fmt.Sprintf("it has %d replicas, and %d would be less safe", have.Replicas, want.Replicas)
	}
	return ""
}

func merged(have, want jetstream.StreamConfig) jetstream.StreamConfig {
	h, w := reflect.ValueOf(&have).Elem(), reflect.ValueOf(want)
	for _, name := range streamFields {
		h.FieldByName(name).Set(w.FieldByName(name))
	}
	return have
}

func (c *Client) ensureConsumer(ctx context.Context, kind string, want jetstream.ConsumerConfig) (Change, error) {
	change := Change{Object: "consumer " + want.Durable}
	stream := c.ns.Stream(kind)
	found, err := c.js.Consumer(ctx, stream, want.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		change.Action = "created"
		_, err = c.js.CreateOrUpdateConsumer(ctx, stream, want)
		return change, wrap("create", change.Object, err)
	}
	if err != nil {
		return change, wrap("look up", change.Object, err)
	}
	have := found.CachedInfo().Config
	change.Fields = differences(have, want, consumerFields)
	if len(change.Fields) == 0 {
		return change, nil
	}
	if have.FilterSubject != want.FilterSubject {
		change.Action = "refused"
		return change, fmt.Errorf("%s: its filter is %s: %w", change.Object, have.FilterSubject, ErrDestructive)
	}
	change.Action = "updated"
	have.AckWait, have.MaxDeliver = want.AckWait, want.MaxDeliver
	have.MaxAckPending, have.MaxWaiting = want.MaxAckPending, want.MaxWaiting
	_, err = c.js.UpdateConsumer(ctx, stream, have)
	return change, wrap("update", change.Object, err)
}

func (c *Client) ensureBuckets(ctx context.Context, t Topology) (Change, error) {
	control := t.control(c.ns)
	change := Change{Object: "bucket " + control.Bucket}
	if _, err := c.js.KeyValue(ctx, control.Bucket); errors.Is(err, jetstream.ErrBucketNotFound) {
		change.Action = "created"
		if _, err := c.js.CreateKeyValue(ctx, control); err != nil && !errors.Is(err, jetstream.ErrBucketExists) {
			return change, wrap("create", change.Object, err)
		}
	} else if err != nil {
		return change, wrap("look up", change.Object, err)
	}
	blobs := t.blobs(c.ns)
	if _, err := c.js.ObjectStore(ctx, blobs.Bucket); errors.Is(err, jetstream.ErrBucketNotFound) {
		change.Object += " and " + blobs.Bucket
		change.Action = "created"
		if _, err := c.js.CreateObjectStore(ctx, blobs); err != nil && !errors.Is(err, jetstream.ErrBucketExists) {
			return change, wrap("create", "bucket "+blobs.Bucket, err)
		}
	} else if err != nil {
		return change, wrap("look up", "bucket "+blobs.Bucket, err)
	}
	return change, nil
}

func wrap(verb, object string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", verb, object, err)
}
