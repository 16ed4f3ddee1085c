package learning_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sparkle/tasks"
	"sparkle/tasks/learning"
)

// RunAll runs tasks for an hour of virtual time. Nothing checks them when they
// are published, as if another program had done it.
func runAll(t *testing.T, registry *tasks.Registry, list ...tasks.Task) *tasks.Memory {
	t.Helper()
	var memory *tasks.Memory
	synctest.Test(t, func(t *testing.T) {
		memory = tasks.NewMemory(tasks.MemoryOptions{})
		worker, err := tasks.NewWorker(tasks.WorkerOptions{Source: memory, Registry: registry})
		if err != nil {
			t.Fatalf("NewWorker: %v", err)
		}
		for _, task := range list {
			if _, _, err := memory.Publish(t.Context(), task); err != nil {
				t.Fatalf("Publish(%s) = %v, want nil", task.Type, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := worker.Run(ctx); err != nil {
			t.Errorf("Run() = %v, want nil", err)
		}
	})
	return memory
}

func TestSamplesSucceed(t *testing.T) {
	registry, book, pictures := new(tasks.Registry), &ledger{}, &gallery{}
	learning.Register(registry, learning.Stores{Ledger: book, Pictures: pictures})
	samples, err := learning.Samples()
	if err != nil {
		t.Fatalf("Samples() = %v, want nil", err)
	}
	types := map[string]int{}
	for i := range samples {
		types[samples[i].Type]++
		samples[i].ID = "sample-" + string(rune('a'+i))
	}
	for _, known := range registry.Types() {
		if types[known.Name] == 0 {
			t.Errorf("Samples() has none of type %s", known.Name)
		}
	}
	memory := runAll(t, registry, samples...)
	for _, s := range samples {
		events := memory.Events(s.ID)
		if last := events[len(events)-1]; last.State != tasks.Succeeded {
			t.Errorf("sample %s of %s ended as %s: %s", s.ID, s.Type, last.State, last.Outcome.Error)
		}
	}
	if len(book.entries) != types["record_token_usage"] || len(pictures.pictures) != types["visualize_graph"] {
		t.Errorf("samples left %d usages and %d pictures, want one each", len(book.entries), len(pictures.pictures))
	}
}

func TestPublisherNeedsNoStores(t *testing.T) {
	registry := new(tasks.Registry)
	learning.Declare(registry)
	samples, err := learning.Samples()
	if err != nil {
		t.Fatalf("Samples() = %v, want nil", err)
	}
	for _, s := range samples {
		if err := registry.Check(s); err != nil {
			t.Errorf("Check(%s) = %v, want nil", s.Type, err)
		}
	}
}

func TestRegisterRefusesMissingStores(t *testing.T) {
	for _, stores := range []learning.Stores{{}, {Ledger: &ledger{}}, {Pictures: &gallery{}}} {
		func() {
			defer func() {
				if said, _ := recover().(string); !strings.Contains(said, "Stores") {
					t.Errorf("Register(%+v) did not panic with what is missing", stores)
				}
			}()
			learning.Register(new(tasks.Registry), stores)
		}()
	}
}

func TestBadPayloadIsPermanentAndNotQuoted(t *testing.T) {
	const secret = "my-private-notes"
	for _, payload := range []string{
		`{"type":"record_token_usage","payload":{"user_id":"my-private-notes","request_id":"","prompt_tokens":1,"completion_tokens":1,"model":"m"}}`,
		`{"type":"rerank_documents","payload":{"query":"q","documents":[{"id":"my-private-notes","text":""},{"id":"my-private-notes","text":""}]}}`,
		`{"type":"visualize_graph","payload":{"user_id":"u","graph_data":{"nodes":[{"id":"a"}],"edges":[{"from":"a","to":"my-private-notes"}]}}}`,
	} {
		var task tasks.Task
		if err := json.Unmarshal([]byte(payload), &task); err != nil {
			t.Fatal(err)
		}
		registry := new(tasks.Registry)
		learning.Register(registry, learning.Stores{Ledger: &ledger{}, Pictures: &gallery{}})
		dead := runAll(t, registry, task).DeadLetters()
		if len(dead) != 1 || dead[0].Attempt != 1 {
			t.Fatalf("bad %s left dead letters %+v, want one after one attempt", task.Type, dead)
		}
		if said := dead[0].Error; !strings.Contains(said, "payload.") || strings.Contains(said, secret) {
			t.Errorf("dead letter of %s says %q, want the field and no value", task.Type, said)
		}
	}
}
