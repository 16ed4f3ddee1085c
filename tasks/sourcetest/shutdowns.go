package sourcetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"sparkle/tasks"
)

const shutdowns = 10

func survivesShutdowns(f *fixture) {
	var long, quick tally
	var spent atomic.Int64
	registry := handling(func(ctx context.Context, _ input) (output, error) {
		d := tasks.Current(ctx)
		spent.Add(int64(d.Attempt - 1 + d.Lost))
		if d.ID != "long" {
			quick.add(d.ID)
			return output{}, nil
		}
		if long.add("") > shutdowns {
			return output{}, nil
		}
		<-ctx.Done()
		return output{}, ctx.Err()
	})
	f.publish(tasks.Task{ID: "long"})
	for i := range shutdowns {
		for j := range 10 {
			f.publish(tasks.Task{ID: fmt.Sprintf("quick-%d-%d", i, j)})
		}
		stop := f.work(tasks.WorkerOptions{Concurrency: 2, Grace: -1, Registry: registry})
		f.await("the long task to run", func() bool { return long.total() > i })
		stop()
	}
	f.work(tasks.WorkerOptions{Registry: registry})
	f.reaches("long", tasks.Succeeded)
	f.await("the quick tasks", func() bool { return quick.total() >= 10*shutdowns })
	if spent.Load() != 0 {
		f.Errorf("%d attempts or leases were spent, want none", spent.Load())
	}
	if quick.total() != 10*shutdowns || long.total() != shutdowns+1 {
		f.Errorf("%d quick runs and %d long ones, want %d and %d", quick.total(), long.total(), 10*shutdowns, shutdowns+1)
	}
}

func losesNothing(f *fixture) {
	const restarts, each = 3, 50
	var done tally
	registry := handling(func(ctx context.Context, _ input) (output, error) {
		err := pause(ctx, 2*time.Millisecond)
		done.add(tasks.Current(ctx).ID)
		return output{}, err
	})
	var ids []string
	for i := range (restarts + 1) * each {
		id, _ := f.publish(tasks.Task{Priority: tasks.Priorities()[i%3]})
		ids = append(ids, id)
	}
	for i := range restarts {
		stop := f.work(tasks.WorkerOptions{Concurrency: 4, Registry: registry})
		f.await("some tasks", func() bool { return done.total() >= (i+1)*each-each/2 })
		stop()
	}
	f.work(tasks.WorkerOptions{Concurrency: 4, Registry: registry})
	for _, id := range ids {
		last := f.reaches(id, tasks.Succeeded)
		if n := done.of(id); n != 1 || last.Attempt != 1 || last.Lost != 0 {
			f.Errorf("%s ran %d times, attempt %d, %d lost; want 1, 1, 0", id, n, last.Attempt, last.Lost)
		}
	}
	f.noneBuried()
}
