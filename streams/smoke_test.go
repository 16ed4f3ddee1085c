package streams_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sparkle/streams"
	"sparkle/streams/streamstest"
	"sparkle/tasks"
)

type ping struct {
	N int `json:"n"`
}

func TestSmoke(t *testing.T) {
	s := streamstest.New(t, streamstest.Options{Topology: streams.Topology{AckWait: time.Second}})
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	ch, err := s.Client.Ensure(ctx, streams.Topology{AckWait: time.Second})
	fmt.Println("again", ch, err)
	kind := tasks.Type[ping, ping]{Name: "ping", Retry: tasks.Retry{Base: 10 * time.Millisecond}}
	bad := tasks.Type[ping, ping]{Name: "bad", Retry: tasks.Retry{Base: 10 * time.Millisecond, Attempts: 3}}
	var r tasks.Registry
	var ran atomic.Int64
	tasks.Handle(&r, kind, func(ctx context.Context, in ping) (ping, error) { ran.Add(1); return ping{in.N + 1}, nil })
	tasks.Handle(&r, bad, func(ctx context.Context, in ping) (ping, error) { return ping{}, errors.New("no luck") })
	src := streams.NewSource(s.Client, streams.SourceOptions{Topology: streams.Topology{AckWait: time.Second}, Log: zerolog.New(os.Stderr)})
	w, err := tasks.NewWorker(tasks.WorkerOptions{Source: src, Registry: &r, AckWait: time.Second, Log: zerolog.New(os.Stderr).Level(zerolog.WarnLevel)})
	if err != nil {
		t.Fatal(err)
	}
	wctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- w.Run(wctx) }()
	p := streams.NewPublisher(s.Client, streams.PublisherOptions{Registry: &r})
	task, _ := kind.New(ping{1})
	rc, err := p.Publish(ctx, task)
	fmt.Println(rc, err)
	res, err := s.Client.Await(ctx, rc.ID, rc.Run)
	fmt.Println(res, string(res.Result), err)
	task, _ = bad.New(ping{1})
	task.ID = "bad-1"
	rc, err = p.Publish(ctx, task)
	fmt.Println(rc, err)
	_, err = p.Publish(ctx, task)
	fmt.Println("dup", err)
	t0 := time.Now()
	res, err = s.Client.Await(ctx, rc.ID, rc.Run)
	fmt.Println(res, err, time.Since(t0))
	s.Client.DeadLetters(ctx, "", func(d streams.DeadLetter) bool { fmt.Printf("%+v %s\n", d, d.Payload); return true })
	// throughput
	n := 50000
	t0 = time.Now()
	errs := make(chan error, 8)
	for g := 0; g < 8; g++ {
		go func() {
			for i := 0; i < n/8; i++ {
				task, _ := kind.New(ping{1})
				if _, err := p.Publish(ctx, task); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for g := 0; g < 8; g++ {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	fmt.Println("published", float64(n)/time.Since(t0).Seconds(), "ran meanwhile", ran.Load())
	for ran.Load() < int64(n) {
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Println("all ran", float64(n)/time.Since(t0).Seconds())
	stop()
	fmt.Println(<-done)
}
