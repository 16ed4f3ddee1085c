package streams_test

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"sparkle/streams/streamstest"
)

// The floor of the benchmarks beside it: the plain client on a plain work-queue
// stream, without a task layer.
func floor(b *testing.B) (jetstream.JetStream, jetstream.Stream) {
	b.Helper()
	s := streamstest.New(b, streamstest.Options{})
	js, err := jetstream.New(s.Conn)
	if err != nil {
		b.Fatal(err)
	}
	stream, err := js.CreateStream(b.Context(), jetstream.StreamConfig{
		Name: "FLOOR", Subjects: []string{"floor.>"}, Retention: jetstream.WorkQueuePolicy,
	})
	if err != nil {
		b.Fatal(err)
	}
	return js, stream
}

func BenchmarkFloorPublish(b *testing.B) {
	js, _ := floor(b)
	data := []byte(strings.Repeat("x", 256))
	b.SetParallelism(4)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := js.Publish(context.Background(), "floor.x", data); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkFloorManyPublish(b *testing.B) {
	js, _ := floor(b)
	data := []byte(strings.Repeat("x", 256))
	var n atomic.Int64
	b.SetParallelism(4)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := js.Publish(context.Background(), "floor.high.main.noop."+strconv.FormatInt(n.Add(1), 10), data); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkFloorDrain(b *testing.B) {
	js, stream := floor(b)
	data := []byte(strings.Repeat("x", 256))
	for range b.N {
		if _, err := js.PublishAsync("floor.x", data); err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	consumer, err := stream.CreateConsumer(b.Context(), jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 20_000})
	if err != nil {
		b.Fatal(err)
	}
	var ran atomic.Int64
	done := make(chan struct{})
	b.ReportAllocs()
	b.ResetTimer()
	consuming, err := consumer.Consume(func(m jetstream.Msg) {
		_ = m.Ack()
		if ran.Add(1) == int64(b.N) {
			close(done)
		}
	}, jetstream.PullMaxMessages(100))
	if err != nil {
		b.Fatal(err)
	}
	<-done
	b.StopTimer()
	consuming.Stop()
}
