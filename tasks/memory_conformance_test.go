package tasks_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sparkle/tasks"
	"sparkle/tasks/sourcetest"
)

func TestMemoryKeepsTheContractOfSource(t *testing.T) {
	sourcetest.Test(t, synctest.Test, func(*testing.T) sourcetest.Bench {
		m := tasks.NewMemory(tasks.MemoryOptions{})
		return sourcetest.Bench{
			Source: m, AckWait: 12 * time.Second, Publish: m.Publish,
			Events:      func(_ context.Context, id string) ([]tasks.Event, error) { return m.Events(id), nil },
			Cancel:      m.Cancel,
			DeadLetters: func(context.Context) ([]tasks.DeadLetter, error) { return m.DeadLetters(), nil },
			Hurry: func(_ context.Context, _ string) error {
				time.Sleep(30 * time.Second) // virtual: the whole wait of a parked task
				synctest.Wait()
				return nil
			},
		}
	})
}
