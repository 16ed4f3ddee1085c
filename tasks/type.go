package tasks

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// A Type is a kind of task: its name, its input and output as Go types, and how
// it is run. Declare it once, next to its handler, and use the same value to
// publish, to handle and to read results:
//
//	var Greet = tasks.Type[Greeting, Answer]{Name: "greet", Priority: tasks.High}
//
// The payload's JSON schema comes from In. Where In has a method
// Validate() error, it is called too, at publish and at delivery.
type Type[In, Out any] struct {
	// Name is the type's word in subjects, flags and metrics; see [ValidName].
	Name string
	// Priority of a task that names none. Default "default".
	Priority Priority
	// Pool that can run it. Default "main".
	Pool string
	// Timeout bounds one attempt. Default 10 min.
	Timeout time.Duration
	// Retry is the policy for failed attempts.
	Retry Retry
}

// New returns a task of this type with in as payload. Set its other fields
// before publishing.
func (t Type[In, Out]) New(in In) (Task, error) {
	if err := validate(&in); err != nil {
		return Task{}, err
	}
	payload, err := json.Marshal(in)
	if err != nil {
		return Task{}, fmt.Errorf("encode payload of %s: %w", t.Name, err)
	}
	return Task{Type: t.Name, Payload: payload, Priority: t.priority(), Pool: t.pool()}, nil
}

// Result reads what a task of this type returned.
func (t Type[In, Out]) Result(result json.RawMessage) (Out, error) {
	var out Out
	if err := json.Unmarshal(result, &out); err != nil {
		return out, fmt.Errorf("decode result of %s: %w", t.Name, err)
	}
	return out, nil
}

// Definition returns the type without its Go types, for a [Registry].
func (t Type[In, Out]) Definition() (Definition, error) {
	if !ValidName(t.Name) {
		return Definition{}, invalid("type", "%q is not 1 to 128 letters, digits, _ or -", clip(t.Name))
	}
	if !ValidName(t.pool()) {
		return Definition{}, invalid("pool", "%q is not 1 to 128 letters, digits, _ or -", clip(t.Pool))
	}
	if !t.priority().Valid() {
		return Definition{}, invalid("priority", "%q is none of high, default, low", clip(string(t.Priority)))
	}
	schema, err := SchemaFor[In]()
	if err != nil {
		return Definition{}, fmt.Errorf("derive the schema of %s: %w", t.Name, err)
	}
	timeout := t.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	return Definition{
		Name: t.Name, Priority: t.priority(), Pool: t.pool(),
		Timeout: timeout, Retry: t.Retry.withDefaults(), Schema: schema,
	}, nil
}

func (t Type[In, Out]) priority() Priority {
	if t.Priority == "" {
		return Default
	}
	return t.Priority
}

func (t Type[In, Out]) pool() string {
	if t.Pool == "" {
		return MainPool
	}
	return t.Pool
}

// A Validator checks what a schema cannot say. Its error names the field, best
// as an [*InvalidError].
type Validator interface{ Validate() error }

// Validate asks in, be the method its pointer's or its own.
func validate[In any](in *In) error {
	v, ok := any(in).(Validator)
	if !ok {
		v, ok = any(*in).(Validator)
	}
	if !ok {
		return nil
	}
	if err := v.Validate(); err != nil {
		return invalidPayload(err)
	}
	return nil
}

// Read checks a payload and decodes it.
func (t Type[In, Out]) read(schema *Schema, payload json.RawMessage) (*In, error) {
	if err := schema.Check(payload); err != nil {
		return nil, err
	}
	return t.decode(payload)
}

// Decode decodes a payload that has passed the schema.
func (t Type[In, Out]) decode(payload json.RawMessage) (*In, error) {
	in := new(In)
	if len(payload) > 0 {
		if err := json.Unmarshal(payload, in); err != nil {
			return nil, undecodable(err)
		}
	}
	return in, validate(in)
}

// Handler turns a typed function into a [Handler] of deliveries whose payload the
// registry has read.
func (t Type[In, Out]) handler(fn func(context.Context, In) (Out, error)) Handler {
	return func(ctx context.Context, d *Delivery) (json.RawMessage, error) {
		in, read := d.input.(*In)
		if !read {
			var err error
			if in, err = t.decode(d.Payload); err != nil {
				return nil, unfit(err)
			}
		}
		out, err := fn(ctx, *in)
		if err != nil {
			return nil, err
		}
		result, err := json.Marshal(out)
		if err != nil {
			return nil, Permanent(fmt.Errorf("encode result: %w", err))
		}
		return result, nil
	}
}
