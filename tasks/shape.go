package tasks

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"
)

// A shape is what most schemas say: types, fields, items. It tells in one pass
// over a payload and without an allocation that the payload fits, which is nearly
// always so. What it cannot tell is left to the validator, which also says what
// is wrong. A shape never takes what the validator would refuse.
type shape struct {
	kinds    kinds
	fields   map[string]shapeField
	required uint64 // a bit for each required field
	rest     *shape // of fields that have no name here
	items    *shape
	// Bounds of a number; one that has any must be written as an integer.
	least, most int64
}

type shapeField struct {
	*shape
	bit uint64
}

// Kinds are the types of JSON that a value may have.
type kinds uint8

const (
	nullKind kinds = 1 << iota
	boolKind
	integerKind // written without fraction and exponent
	numberKind
	stringKind
	arrayKind
	objectKind
)

const maxShapeFields = 64 // bits of shape.required

// Anything takes every value.
func anything() *shape {
	s := &shape{kinds: nullKind | boolKind | integerKind | numberKind | stringKind | arrayKind | objectKind}
	s.rest, s.items = s, s
	s.least, s.most = math.MinInt64, math.MaxInt64
	return s
}

// ShapeOf returns the shape of a schema, nil where the schema says more than a
// shape can.
func shapeOf(source json.RawMessage) *shape {
	switch string(bytes.TrimSpace(source)) {
	case "true":
		return anything()
	case "false":
		return &shape{}
	}
	var schema map[string]json.RawMessage
	if json.Unmarshal(source, &schema) != nil {
		return nil
	}
	s := anything()
	for _, keyword := range slices.Sorted(maps.Keys(schema)) { // "properties" before "required"
		if !s.take(keyword, schema[keyword]) {
			return nil
		}
	}
	return s
}

// Take reports whether a shape can say what a keyword of the schema says.
func (s *shape) take(keyword string, value json.RawMessage) (ok bool) {
	switch keyword {
	case "type":
		s.kinds, ok = kindsOf(value)
		return ok
	case "additionalProperties":
		s.rest = shapeOf(value)
		return s.rest != nil
	case "items":
		s.items = shapeOf(value)
		return s.items != nil
	case "properties":
		var properties map[string]json.RawMessage
		return json.Unmarshal(value, &properties) == nil && s.addFields(properties)
	case "required":
		var names []string
		return json.Unmarshal(value, &names) == nil && s.require(names)
	case "minimum":
		return json.Unmarshal(value, &s.least) == nil
	case "maximum":
		return json.Unmarshal(value, &s.most) == nil
	default: // these say nothing of what fits
		return keyword == "contentEncoding" || keyword == "format" || keyword == "title" || keyword == "description"
	}
}

func (s *shape) addFields(properties map[string]json.RawMessage) bool {
	if len(properties) > maxShapeFields {
		return false
	}
	s.fields = make(map[string]shapeField, len(properties))
	for name, property := range properties {
		field := shapeOf(property)
		if field == nil {
			return false
		}
		s.fields[name] = shapeField{field, 1 << len(s.fields)}
	}
	return true
}

func (s *shape) require(names []string) bool {
	for _, name := range names {
		field, known := s.fields[name]
		if !known {
			return false
		}
		s.required |= field.bit
	}
	return true
}

// KindsOf reads the type of a schema: a name, or a list of names.
func kindsOf(source json.RawMessage) (kinds, bool) {
	var names []string
	if json.Unmarshal(source, &names) != nil {
		names = make([]string, 1)
		if json.Unmarshal(source, &names[0]) != nil {
			return 0, false
		}
	}
	all := map[string]kinds{
		"null": nullKind, "boolean": boolKind, "integer": integerKind, "number": numberKind | integerKind,
		"string": stringKind, "array": arrayKind, "object": objectKind,
	}
	var k kinds
	for _, name := range names {
		kind, known := all[name]
		if !known {
			return 0, false
		}
		k |= kind
	}
	return k, true
}
