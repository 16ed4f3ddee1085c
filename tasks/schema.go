package tasks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	inference "github.com/google/jsonschema-go/jsonschema"
	validation "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// A Schema is the JSON schema (draft 2020-12) of a type's payload. It is safe
// for concurrent use.
type Schema struct {
	source   json.RawMessage
	compiled *validation.Schema
	shape    *shape // nil where only the validator can tell
}

// SchemaFor derives a schema from a Go type by its json tags: a field without
// omitempty is required, an unknown field is refused.
func SchemaFor[In any]() (*Schema, error) {
	inferred, err := inference.For[In](&inference.ForOptions{TypeSchemas: encoded()})
	if err != nil {
		return nil, err
	}
	source, err := json.Marshal(inferred)
	if err != nil {
		return nil, err
	}
	return ParseSchema(source)
}

// Encoded has the types whose JSON is not what their kind suggests.
func encoded() map[reflect.Type]*inference.Schema {
	return map[reflect.Type]*inference.Schema{
		reflect.TypeFor[json.RawMessage](): {},
		reflect.TypeFor[[]byte]():          {Types: []string{"null", "string"}, ContentEncoding: "base64"},
	}
}

// ParseSchema reads a schema from JSON. References to other documents are
// refused.
func ParseSchema(source json.RawMessage) (*Schema, error) {
	document, err := validation.UnmarshalJSON(bytes.NewReader(source))
	if err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	compiler := validation.NewCompiler()
	compiler.UseLoader(validation.SchemeURLLoader{})
	const name = "payload.json"
	if err := compiler.AddResource(name, document); err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	compiled, err := compiler.Compile(name)
	if err != nil {
		return nil, fmt.Errorf("compile schema: %w", err)
	}
	return &Schema{source: source, compiled: compiled, shape: shapeOf(source)}, nil
}

// MarshalJSON returns the schema's source.
func (s *Schema) MarshalJSON() ([]byte, error) { return s.source, nil }

// UnmarshalJSON reads a schema as [ParseSchema] does.
func (s *Schema) UnmarshalJSON(source []byte) error {
	parsed, err := ParseSchema(bytes.Clone(source))
	if err == nil {
		*s = *parsed
	}
	return err
}

// Check reports the first place where payload breaks the schema or the limits of
// [CheckJSON], as an [*InvalidError] that names the field and quotes no value.
func (s *Schema) Check(payload []byte) error {
	_, err := s.check(payload)
	return err
}

// Check reports also that the payload fits by its shape.
func (s *Schema) check(payload []byte) (shaped bool, err error) {
	if len(payload) == 0 {
		payload = []byte("null")
	}
	if s.shape.fits(payload) {
		return true, nil
	}
	if err := CheckJSON(payload); err != nil {
		return false, err
	}
	return false, s.validate(payload)
}

func (s *Schema) validate(payload []byte) error {
	value, err := validation.UnmarshalJSON(bytes.NewReader(payload))
	if err != nil {
		return invalid("payload", "not JSON")
	}
	err = s.compiled.Validate(value)
	var broken *validation.ValidationError
	if errors.As(err, &broken) {
		return describe(broken)
	}
	return err
}

// Describe tells the first of the causes by its field, so that one payload has
// one answer: the validator walks objects in no order.
func describe(e *validation.ValidationError) *InvalidError {
	if len(e.Causes) > 0 {
		first := describe(e.Causes[0])
		for _, cause := range e.Causes[1:] {
			if other := describe(cause); other.Field < first.Field {
				first = other
			}
		}
		return first
	}
	field := fieldPath(e.InstanceLocation)
	switch k := e.ErrorKind.(type) {
	case *kind.Type:
		return invalid(field, "want %s, got %s", strings.Join(k.Want, " or "), k.Got)
	case *kind.Required:
		return invalid(field+"."+clip(slices.Min(k.Missing)), "missing")
	case *kind.AdditionalProperties:
		return invalid(field+"."+clip(slices.Min(k.Properties)), "unknown field")
	case *kind.FalseSchema:
		return invalid(field, "unknown field")
	case *kind.Minimum:
		return invalid(field, "want at least %s", k.Want.RatString())
	case *kind.Maximum:
		return invalid(field, "want at most %s", k.Want.RatString())
	default:
		return invalid(field, "breaks the schema's %s", strings.Join(e.ErrorKind.KeywordPath(), "."))
	}
}

func fieldPath(location []string) string {
	path := "payload"
	for _, token := range location {
		if _, err := strconv.Atoi(token); err == nil {
			path += "[" + token + "]"
		} else {
			path += "." + clip(token)
		}
	}
	return path
}

// InvalidPayload gives what a Validate method says the payload's field.
func invalidPayload(err error) *InvalidError {
	var known *InvalidError
	if !errors.As(err, &known) {
		return invalid("payload", "%v", err)
	}
	if known.Field == "payload" || strings.HasPrefix(known.Field, "payload.") || strings.HasPrefix(known.Field, "payload[") {
		return known
	}
	return &InvalidError{Field: "payload." + known.Field, Want: known.Want}
}

// Undecodable names the field that a decoder stumbled over, without the value
// that the decoder's own words quote.
func undecodable(err error) *InvalidError {
	var mismatch *json.UnmarshalTypeError
	if !errors.As(err, &mismatch) {
		return invalid("payload", "does not fit its Go type")
	}
	field := "payload"
	if mismatch.Field != "" {
		field += "." + clip(mismatch.Field)
	}
	got, _, _ := strings.Cut(mismatch.Value, " ") // "number 1.5"
	return invalid(field, "want %s, got another %s", mismatch.Type, got)
}
