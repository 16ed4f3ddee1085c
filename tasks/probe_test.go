package tasks_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"sparkle/tasks"
)

func TestEveryWorkerRunsProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, tasks.WorkerOptions{Name: "w7", Registry: new(tasks.Registry)})
		r.publish(tasks.Task{ID: "probe", Type: tasks.ProbeType, Payload: []byte("null")})
		synctest.Wait()
		r.wantHistory("probe", "succeeded/1")
		if got := string(r.last("probe").Result); got != `{"worker":"w7"}` {
			t.Errorf("result = %s, want the worker's name", got)
		}
		if types := r.worker.Stats().Types; slices.Contains(types, tasks.ProbeType) {
			t.Errorf("types = %q, want those of the registry alone", types)
		}
	})
}

func TestARegisteredTypeTakesThePlaceOfTheProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, tasks.WorkerOptions{Registry: handling(tasks.Type[note, note]{Name: tasks.ProbeType}, func(context.Context) error { return nil })})
		r.publish(tasks.Task{ID: "own", Type: tasks.ProbeType})
		synctest.Wait()
		if got := string(r.last("own").Result); got != `{"text":"secret"}` {
			t.Errorf("result = %s, want that of the registered handler", got)
		}
	})
}
