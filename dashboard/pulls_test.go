package dashboard_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"sparkle/dashboard"
	"sparkle/streams"
	"sparkle/tasks"
)

func TestPullsThatStoppedWhileWorkWaitsAreTold(t *testing.T) {
	queue := func(waiting uint64, paused bool) []streams.QueueInfo {
		return []streams.QueueInfo{{Priority: tasks.High, Pool: "main", Waiting: waiting, Paused: paused}}
	}
	idle := tasks.WorkerStats{Slots: 2, Queues: []string{"high-main"}}
	busy, ahead, other, drained := idle, idle, idle, idle
	drained.Draining = true
	busy.Running, busy.Leased = make([]tasks.RunningTask, 2), 2
	ahead.Running, ahead.Leased = make([]tasks.RunningTask, 1), 3
	other.Queues = []string{"low-gpu"}
	for name, row := range map[string]struct {
		silent time.Duration
		worker tasks.WorkerStats
		queues []streams.QueueInfo
		err    error
		want   string
	}{
		"answered just now":         {time.Second, idle, queue(5, false), nil, ""},
		"silent while work waits":   {time.Minute, idle, queue(5, false), nil, "no pull was answered for 1m0s while 5 tasks wait in high-main"},
		"silent while none waits":   {time.Minute, idle, queue(0, false), nil, ""},
		"silent on a paused queue":  {time.Minute, idle, queue(5, true), nil, ""},
		"another worker's queue":    {time.Minute, other, queue(5, false), nil, ""},
		"all slots are taken":       {time.Minute, busy, queue(5, false), nil, ""},
		"it was drained":            {time.Minute, drained, queue(5, false), nil, ""},
		"tasks are held ahead":      {time.Minute, ahead, queue(5, false), nil, ""},
		"the queues cannot be read": {time.Minute, idle, nil, errors.New("away"), "no pull was answered for 1m0s, and the queues cannot be read: away"},
		"nothing was ever pulled":   {-1, idle, nil, nil, "no pull was answered yet"},
	} {
		t.Run(name, func(t *testing.T) {
			p := dashboard.Pulls{
				Last: func() time.Time {
					if row.silent < 0 {
						return time.Time{}
					}
					return time.Now().Add(-row.silent)
				},
				Worker: func() tasks.WorkerStats { return row.worker },
				Queues: func(context.Context) ([]streams.QueueInfo, error) { return row.queues, row.err },
			}
			got := ""
			if err := p.Check(t.Context()); err != nil {
				got = err.Error()
			}
			if got != row.want {
				t.Errorf("Check = %q, want %q", got, row.want)
			}
		})
	}
}
