// Package streams is everything that Sparkle does with NATS JetStream: the
// topology, publishing, the source of a worker, dead letters, events and results.
package streams

import (
	"cmp"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// Topology says which streams, consumers and buckets a namespace has. Its zero
// value is a good one for a single server.
type Topology struct {
	// Pools that have consumers. Default "main".
	Pools []string
	// Replicas of each stream and bucket. Default 1.
	Replicas int
	// EventsAge is how long events and results are kept. Default 7 days.
	EventsAge time.Duration
	// EventsPerTask is how many events of one id are kept. Default 200.
	EventsPerTask int64
	// DeadAge is how long dead letters are kept. Default 30 days.
	DeadAge time.Duration
	// UsageAge is how long the usage ledger is kept, and with it the memory of
	// which requests were counted. Default 400 days; at least DeadAge.
	UsageAge time.Duration
	// AckWait is how long a leased task may go unextended before it is
	// delivered again. Default 12 s.
	AckWait time.Duration
	// MaxDeliver is after how many deliveries the server gives a task up.
	// Default 25. Workers bury it before.
	MaxDeliver int
}

const day = 24 * time.Hour

func (t Topology) withDefaults() Topology {
	if len(t.Pools) == 0 {
		t.Pools = []string{tasks.MainPool}
	}
	t.Replicas = cmp.Or(t.Replicas, 1)
	t.EventsAge = cmp.Or(t.EventsAge, 7*day)
	t.EventsPerTask = cmp.Or(t.EventsPerTask, 200)
	t.DeadAge = cmp.Or(t.DeadAge, 30*day)
	t.UsageAge = max(cmp.Or(t.UsageAge, 400*day), t.DeadAge)
	t.AckWait = cmp.Or(t.AckWait, 12*time.Second)
	t.MaxDeliver = cmp.Or(t.MaxDeliver, 25)
	return t
}

const (
	maxAckPending = 20_000
	maxWaiting    = 8_192
	deadPerTask   = 10
	// What is larger is refused at the door: a dead letter, with its history,
	// must still fit what a server accepts (1 MiB by default).
	maxTask = 512 << 10
)

// Streams lists the streams of a namespace.
func (t Topology) streams(n Namespace) []jetstream.StreamConfig {
	t = t.withDefaults()
	list := []jetstream.StreamConfig{
		{
			Name: n.Stream("TASKS"), Description: "Work to do.", Subjects: taskSubjects(n),
			Retention: jetstream.WorkQueuePolicy, AllowMsgSchedules: true, AllowMsgTTL: true,
			AllowDirect: true, AllowAtomicPublish: true, AllowBatchPublish: true, AllowRollup: true,
			MaxMsgSize: maxTask, MaxMsgs: -1, MaxBytes: -1,
		},
		{
			Name: n.Stream("EVENTS"), Description: "Every state change; the last is the task's state.",
			Subjects: []string{n.subject("events", "*", "*")},
			MaxAge:   t.EventsAge, MaxMsgsPerSubject: t.EventsPerTask,
			AllowMsgTTL: true, AllowDirect: true, AllowBatchPublish: true,
		},
		{
			Name: n.Stream("DEAD"), Description: "Dead letters with their history.",
			Subjects: []string{n.subject("dead", "*", "*", "*", "*")},
			MaxAge:   t.DeadAge, MaxMsgsPerSubject: deadPerTask, AllowMsgTTL: true, AllowDirect: true,
		},
		{
			Name: n.Stream("ADVISORIES"), Description: "Tasks that the server gave up, for the mover.",
			Subjects: []string{"$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES." + n.Stream("TASKS") + ".>"},
			MaxAge:   7 * day,
		},
		{
			Name: n.Stream("USAGE"), Description: "The ledger of model usage, a message per request.",
			Subjects: []string{n.subject("usage", "*", "*", "*")},
			MaxAge:   t.UsageAge, MaxMsgsPerSubject: 1, AllowDirect: true,
		},
	}
	for i := range list {
		list[i].Replicas = t.Replicas
		list[i].Storage = jetstream.FileStorage
	}
	return list
}

// TaskSubjects are exact, so that what is no task is refused at the door.
func taskSubjects(n Namespace) []string {
	subjects := []string{n.subject("tasks", "cron", "*"), n.subject("tasks", "fire", "*")}
	for _, p := range tasks.Priorities() {
		subjects = append(subjects,
			n.subject("tasks", "ready", string(p), "*", "*", "*"),
			n.subject("tasks", "later", string(p), "*", "*", "*"))
	}
	return subjects
}

// Consumer is the durable from which all workers of a queue pull.
func (t Topology) consumer(n Namespace, q tasks.Queue) jetstream.ConsumerConfig {
	t = t.withDefaults()
	return jetstream.ConsumerConfig{
		Durable: q.String(), FilterSubject: n.QueueFilter(q),
		DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: t.AckWait, MaxDeliver: t.MaxDeliver,
		MaxAckPending: maxAckPending, MaxWaiting: maxWaiting,
	}
}

func moverConsumer() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: "mover", DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: 30 * time.Second, MaxDeliver: -1, MaxAckPending: 1_000,
	}
}

func (t Topology) control(n Namespace) jetstream.KeyValueConfig {
	return jetstream.KeyValueConfig{
		Bucket: n.Stream("CONTROL"), Description: "Who paused what, limits, announced types, cancellations.",
		History: 5, LimitMarkerTTL: day, Replicas: t.withDefaults().Replicas, Storage: jetstream.FileStorage,
	}
}

func (t Topology) blobs(n Namespace) jetstream.ObjectStoreConfig {
	return jetstream.ObjectStoreConfig{
		Bucket: n.Stream("BLOBS"), Description: "Pictures and other results too large for an event.",
		Replicas: t.withDefaults().Replicas, Storage: jetstream.FileStorage,
	}
}

// Queues lists the queues of the topology, highest priority first.
func (t Topology) queues() []tasks.Queue {
	var queues []tasks.Queue
	for _, priority := range tasks.Priorities() {
		for _, pool := range t.withDefaults().Pools {
			queues = append(queues, tasks.Queue{Priority: priority, Pool: pool})
		}
	}
	return queues
}
