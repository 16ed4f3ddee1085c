package tasks

import (
	"encoding"
	"encoding/json"
	"reflect"
)

// Decodable reports whether whatever has the shape of t's schema decodes into t
// and is valid, so that nothing is learnt from trying: t has no method that could
// refuse, and no number that could overflow but integers, whose bounds the schema
// has.
func decodable(t reflect.Type) bool { return decodableIn(t, map[reflect.Type]bool{}) }

func decodableIn(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] || t == reflect.TypeFor[json.RawMessage]() {
		return true
	}
	seen[t] = true
	for _, refusing := range []reflect.Type{
		reflect.TypeFor[Validator](), reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
	} {
		if t.Implements(refusing) || reflect.PointerTo(t).Implements(refusing) {
			return false
		}
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return true
	case reflect.Interface:
		return t.NumMethod() == 0
	case reflect.Pointer:
		return decodableIn(t.Elem(), seen)
	case reflect.Slice: // one of bytes is written in base64, which the schema does not check
		return t.Elem().Kind() != reflect.Uint8 && decodableIn(t.Elem(), seen)
	case reflect.Map:
		return t.Key().Kind() == reflect.String && decodableIn(t.Key(), seen) && decodableIn(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if !decodableIn(t.Field(i).Type, seen) {
				return false
			}
		}
		return true
	default:
		return false
	}
}
