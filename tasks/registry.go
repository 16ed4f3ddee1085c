package tasks

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"
)

// A Definition is a [Type] without its Go types.
type Definition struct {
	Name     string        `json:"name"`
	Priority Priority      `json:"priority"`
	Pool     string        `json:"pool"`
	Timeout  time.Duration `json:"timeout_ns"`
	Retry    Retry         `json:"retry"`
	Schema   *Schema       `json:"schema"`
}

// A Registry knows types and their handlers. Fill it before it is used; from
// then on it is safe for concurrent use. The zero value is empty and ready.
type Registry struct {
	types map[string]registered
	use   []Middleware
}

type registered struct {
	Definition
	check   func(json.RawMessage) error
	handler Handler // nil: known, not handled here
}

// Handle registers the handler of a type. Like http.Handle it panics on a
// mistake of the program: a bad name, a type handled twice, an input that no
// schema can describe.
func Handle[In, Out any](r *Registry, t Type[In, Out], fn func(ctx context.Context, in In) (Out, error)) {
	add(r, t, t.handler(fn))
}

// Declare registers a type without a handler, for a program that only publishes.
// It panics as [Handle] does.
func Declare[In, Out any](r *Registry, t Type[In, Out]) { add(r, t, nil) }

func add[In, Out any](r *Registry, t Type[In, Out], handler Handler) {
	definition, err := t.Definition()
	if err != nil {
		panic(fmt.Sprintf("tasks: register type %q: %v", t.Name, err))
	}
	if r.types == nil {
		r.types = map[string]registered{}
	}
	if old, ok := r.types[t.Name]; ok && (old.handler != nil || handler == nil) {
		panic(fmt.Sprintf("tasks: register type %q: registered already", t.Name))
	}
	decodes := decodable(reflect.TypeFor[In]())
	check := func(payload json.RawMessage) error {
		fits, err := definition.Schema.check(payload)
		if err != nil || fits && decodes {
			return err
		}
		_, err = t.decode(payload)
		return err
	}
	r.types[t.Name] = registered{Definition: definition, check: check, handler: handler}
}

// Use wraps every handler in m; the first one given is the outermost. Recovery
// from panics, the time limit, the log line and the metrics are built into the
// worker and stand outside of all of them.
func (r *Registry) Use(m ...Middleware) { r.use = append(r.use, m...) }

// Lookup returns a type by its name.
func (r *Registry) Lookup(name string) (Definition, bool) {
	if r == nil {
		return Definition{}, false
	}
	found, ok := r.types[name]
	return found.Definition, ok
}

// Types returns all types, sorted by name.
func (r *Registry) Types() []Definition {
	definitions := make([]Definition, 0, len(r.types))
	for _, name := range slices.Sorted(maps.Keys(r.types)) {
		definitions = append(definitions, r.types[name].Definition)
	}
	return definitions
}

// Check reports why t cannot be published, as [Task.Check] does, or why its
// payload does not fit its type, as an [*InvalidError] of field type (unknown) or
// payload….
func (r *Registry) Check(t Task) error {
	if err := t.checkFields(); err != nil {
		return err
	}
	found, ok := r.types[t.Type]
	if !ok {
		return invalid("type", "unknown type %q", clip(t.Type))
	}
	return found.check(t.Payload)
}

// Handler returns the wrapped handler of a type, nil where there is none. The
// schema is checked before any middleware runs.
func (r *Registry) handler(name string) (Handler, Definition) {
	found, ok := r.types[name]
	if !ok || found.handler == nil {
		return nil, Definition{}
	}
	wrapped := found.handler
	for _, m := range slices.Backward(r.use) {
		wrapped = m(wrapped)
	}
	schema := found.Schema
	return func(ctx context.Context, d *Delivery) (json.RawMessage, error) {
		if err := schema.Check(d.Payload); err != nil {
			return nil, unfit(err)
		}
		return wrapped(ctx, d)
	}, found.Definition
}
