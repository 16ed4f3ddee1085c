package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"sparkle/tasks"
)

// ParseLine reads a line's object over base. Its error is a [*tasks.InvalidError]
// that names the field and quotes no value.
func parseLine(text []byte, base tasks.Task) (tasks.Task, error) {
	t := base
	into := struct {
		Type     *string         `json:"type"`
		Payload  json.RawMessage `json:"payload"`
		Priority *tasks.Priority `json:"priority"`
		Pool     *string         `json:"pool"`
		ID       *string         `json:"id"`
		User     *string         `json:"user"`
	}{&t.Type, nil, &t.Priority, &t.Pool, &t.ID, &t.User}
	// A decoder alone would stop after the first value.
	if err := json.Unmarshal(text, new(json.RawMessage)); err != nil {
		return t, lineFault(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&into); err != nil {
		return t, lineFault(err)
	}
	t.Payload = into.Payload
	return t, nil
}

func lineFault(err error) *tasks.InvalidError {
	var (
		syntax   *json.SyntaxError
		mismatch *json.UnmarshalTypeError
	)
	switch {
	case errors.As(err, &syntax):
		return &tasks.InvalidError{Field: "line", Want: fmt.Sprintf("not JSON at byte %d", syntax.Offset)}
	case errors.As(err, &mismatch) && mismatch.Field != "":
		return &tasks.InvalidError{Field: mismatch.Field, Want: "want a string, got " + kindOf(mismatch.Value)}
	case errors.As(err, &mismatch):
		return &tasks.InvalidError{Field: "line", Want: "want an object, got " + kindOf(mismatch.Value)}
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return &tasks.InvalidError{Field: strings.Trim(field, `"`), Want: "unknown field; a line has type, payload, priority, pool, id, user"}
	}
	return &tasks.InvalidError{Field: "line", Want: "cannot be read"}
}

// KindOf cuts the value off what a decoder says it found: "number 1.5".
func kindOf(value string) string {
	kind, _, _ := strings.Cut(value, " ")
	return kind
}
