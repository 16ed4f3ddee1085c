package tasks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sparkle/tasks"
)

func echo(_ context.Context, in note) (note, error) { return in, nil }

func TestRegisterPanicsOnAMistakeOfTheProgram(t *testing.T) {
	t.Parallel()
	work := tasks.Type[note, note]{Name: "work"}
	handled := func(r *tasks.Registry) { tasks.Handle(r, work, echo) }
	declared := func(r *tasks.Registry) { tasks.Declare(r, work) }
	type loop struct{ Next *loop }
	for name, row := range map[string]struct {
		steps []func(*tasks.Registry)
		want  string
	}{
		"declared, then handled": {[]func(*tasks.Registry){declared, handled}, ""},
		"handled twice":          {[]func(*tasks.Registry){handled, handled}, `tasks: register type "work": registered already`},
		"declared twice":         {[]func(*tasks.Registry){declared, declared}, `tasks: register type "work": registered already`},
		"handled, then declared": {[]func(*tasks.Registry){handled, declared}, `tasks: register type "work": registered already`},
		"a bad name": {[]func(*tasks.Registry){func(r *tasks.Registry) {
			tasks.Declare(r, tasks.Type[note, note]{Name: "a.b"})
		}}, `tasks: register type "a.b": type: "a.b" is not 1 to 128 letters, digits, _ or -`},
		"a bad pool": {[]func(*tasks.Registry){func(r *tasks.Registry) {
			tasks.Declare(r, tasks.Type[note, note]{Name: "a", Pool: "b c"})
		}}, `tasks: register type "a": pool: "b c" is not 1 to 128 letters, digits, _ or -`},
		"a bad priority": {[]func(*tasks.Registry){func(r *tasks.Registry) {
			tasks.Declare(r, tasks.Type[note, note]{Name: "a", Priority: "urgent"})
		}}, `tasks: register type "a": priority: "urgent" is none of high, default, low`},
		"an input without schema": {[]func(*tasks.Registry){func(r *tasks.Registry) {
			tasks.Declare(r, tasks.Type[loop, note]{Name: "a"})
		}}, `tasks: register type "a": derive the schema of a: `},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var registry tasks.Registry
			got := panicText(func() {
				for _, step := range row.steps {
					step(&registry)
				}
			})
			if !strings.HasPrefix(got, row.want) || row.want == "" && got != "" {
				t.Errorf("panic = %q, want %q", got, row.want)
			}
		})
	}
}

func panicText(f func()) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprint(v)
		}
	}()
	f()
	return ""
}

func TestRegistryListsTypesWithTheirDefaults(t *testing.T) {
	t.Parallel()
	var registry tasks.Registry
	tasks.Handle(&registry, tasks.Type[note, note]{Name: "b"}, echo)
	tasks.Declare(&registry, tasks.Type[note, note]{
		Name: "a", Priority: tasks.High, Pool: "gpu", Timeout: time.Second, Retry: tasks.Retry{Attempts: 1, Cap: time.Minute},
	})
	want := []tasks.Definition{
		{Name: "a", Priority: tasks.High, Pool: "gpu", Timeout: time.Second, Retry: tasks.Retry{Attempts: 1, Base: 2 * time.Second, Cap: time.Minute}},
		{Name: "b", Priority: tasks.Default, Pool: "main", Timeout: 10 * time.Minute, Retry: tasks.Retry{Attempts: 5, Base: 2 * time.Second, Cap: 10 * time.Minute}},
	}
	if diff := cmp.Diff(want, registry.Types(), cmpopts.IgnoreFields(tasks.Definition{}, "Schema")); diff != "" {
		t.Errorf("Types() (-want +got):\n%s", diff)
	}
	if got, ok := registry.Lookup("a"); !ok || got.Pool != "gpu" {
		t.Errorf("Lookup(a) = %+v, %v, want the type", got, ok)
	}
	if _, ok := registry.Lookup("c"); ok {
		t.Error("Lookup(c) is true, want false")
	}
	if _, ok := (*tasks.Registry)(nil).Lookup("a"); ok {
		t.Error("Lookup of no registry is true, want false")
	}
}

// A dated note is checked by a method of its pointer, a signed one by its own.
type (
	dated  struct{ Year int }
	signed struct{ By string }
)

func (d *dated) Validate() error {
	if d.Year < 2000 {
		return &tasks.InvalidError{Field: "Year", Want: "want 2000 or later"}
	}
	return nil
}

func (s signed) Validate() error {
	switch s.By {
	case "":
		return errors.New("nobody signed")
	case "x":
		return &tasks.InvalidError{Field: "payload.By", Want: "want a name"}
	default:
		return nil
	}
}

func TestValidateIsAskedAtPublishAndAtDelivery(t *testing.T) {
	t.Parallel()
	var registry tasks.Registry
	byPointer, byValue := tasks.Type[dated, note]{Name: "dated"}, tasks.Type[signed, note]{Name: "signed"}
	tasks.Declare(&registry, byPointer)
	tasks.Declare(&registry, byValue)
	for name, row := range map[string]struct {
		made    func() error
		kind    string
		payload string
		want    string
	}{
		"pointer method, good": {func() error { _, err := byPointer.New(dated{2026}); return err }, "dated", `{"Year":2026}`, ""},
		"pointer method, bad":  {func() error { _, err := byPointer.New(dated{1999}); return err }, "dated", `{"Year":1999}`, "payload.Year: want 2000 or later"},
		"value method, good":   {func() error { _, err := byValue.New(signed{"ann"}); return err }, "signed", `{"By":"ann"}`, ""},
		"a plain error":        {func() error { _, err := byValue.New(signed{}); return err }, "signed", `{"By":""}`, "payload: nobody signed"},
		"a whole path":         {func() error { _, err := byValue.New(signed{"x"}); return err }, "signed", `{"By":"x"}`, "payload.By: want a name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantInvalid(t, "New", row.made(), row.want)
			err := registry.Check(tasks.Task{Type: row.kind, Payload: []byte(row.payload)})
			wantInvalid(t, "Check", err, row.want)
		})
	}
}

func TestTypeMakesTasksAndReadsResults(t *testing.T) {
	t.Parallel()
	kind := tasks.Type[note, note]{Name: "work", Priority: tasks.High, Pool: "gpu"}
	task, err := kind.New(note{"hi"})
	want := tasks.Task{Type: "work", Payload: json.RawMessage(`{"text":"hi"}`), Priority: tasks.High, Pool: "gpu"}
	if diff := cmp.Diff(want, task); diff != "" || err != nil {
		t.Errorf("New: %v (-want +got):\n%s", err, diff)
	}
	if got, err := kind.Result([]byte(`{"text":"yes"}`)); err != nil || got.Text != "yes" {
		t.Errorf("Result = %v, %v, want yes", got, err)
	}
	if _, err := kind.Result([]byte(`[]`)); err == nil || !strings.HasPrefix(err.Error(), "decode result of work: ") {
		t.Errorf("Result([]) = %v, want an error that names the type", err)
	}
	if _, err := (tasks.Type[func(), note]{Name: "odd"}).New(func() {}); err == nil || !strings.HasPrefix(err.Error(), "encode payload of odd: ") {
		t.Errorf("New(func) = %v, want an error that names the type", err)
	}
}

func TestMiddlewareWrapsTheFirstOutermost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var steps []string
		step := func(name string) tasks.Middleware {
			return func(next tasks.Handler) tasks.Handler {
				return func(ctx context.Context, d *tasks.Delivery) (json.RawMessage, error) {
					steps = append(steps, name+" "+d.ID)
					return next(ctx, d)
				}
			}
		}
		registry := handling(tasks.Type[note, note]{}, func(ctx context.Context) error {
			steps = append(steps, "handler "+tasks.Current(ctx).ID)
			return nil
		})
		registry.Use(step("first"), step("second"))
		registry.Use(step("third"))
		r := start(t, tasks.WorkerOptions{Registry: registry})
		r.publish(tasks.Task{ID: "a"})
		r.publish(tasks.Task{ID: "unfit", Payload: []byte(`7`)})
		synctest.Wait()
		r.stop()
		if want := []string{"first a", "second a", "third a", "handler a"}; !slices.Equal(steps, want) {
			t.Errorf("steps = %q, want %q", steps, want)
		}
	})
	if d := tasks.Current(t.Context()); d != nil {
		t.Errorf("Current outside of a handler = %+v, want nil", d)
	}
}
