package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"sparkle/internal/cli"
	"sparkle/tasks"
)

// LineFields names what a line may have.
const lineFields = "type, payload, priority, pool, id, user, headers, at, expires, timeout, max_attempts"

// A lineObject is a line as it is written; what is nil was left out.
type lineObject struct {
	Type        *string           `json:"type"`
	Payload     json.RawMessage   `json:"payload"`
	Priority    *tasks.Priority   `json:"priority"`
	Pool        *string           `json:"pool"`
	ID          *string           `json:"id"`
	User        *string           `json:"user"`
	Headers     map[string]string `json:"headers"`
	At          *string           `json:"at"`
	Expires     *string           `json:"expires"`
	Timeout     *string           `json:"timeout"`
	MaxAttempts *int              `json:"max_attempts"`
}

// ParseLine reads a line's object over base. Its error is a [*tasks.InvalidError]
// that names the field and quotes no value.
func parseLine(text []byte, base tasks.Task, now time.Time) (tasks.Task, error) {
	t := base
	o := lineObject{Type: &t.Type, Priority: &t.Priority, Pool: &t.Pool, ID: &t.ID, User: &t.User, MaxAttempts: &t.MaxAttempts}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&o)
	if err != nil || len(bytes.TrimSpace(text[decoder.InputOffset():])) > 0 {
		return t, lineFault(text, err)
	}
	t.Payload = o.Payload
	return t, o.fill(&t, now)
}

// Fill sets what is not written as it is meant.
func (o lineObject) fill(t *tasks.Task, now time.Time) error {
	if len(o.Headers) > 0 {
		headers := maps.Clone(t.Headers)
		if headers == nil {
			headers = make(map[string]string, len(o.Headers))
		}
		maps.Copy(headers, o.Headers)
		t.Headers = headers
	}
	if o.Timeout != nil {
		timeout, err := time.ParseDuration(*o.Timeout)
		if err != nil || timeout <= 0 {
			return &tasks.InvalidError{Field: "timeout", Want: "want a duration above 0 such as 30s"}
		}
		t.Timeout = timeout
	}
	var err error
	if t.At, err = moment("at", o.At, t.At, now); err != nil {
		return err
	}
	if t.Expires, err = moment("expires", o.Expires, t.Expires, now); err != nil {
		return err
	}
	if !t.Expires.IsZero() && !t.Expires.After(now) {
		return &tasks.InvalidError{Field: "expires", Want: "has passed"}
	}
	return nil
}

func moment(field string, text *string, otherwise, now time.Time) (time.Time, error) {
	if text == nil {
		return otherwise, nil
	}
	var m cli.Moment
	if *text == "" || m.UnmarshalText([]byte(*text)) != nil {
		return otherwise, &tasks.InvalidError{Field: field, Want: "want a duration such as 2h or a time such as 2026-05-01T08:00:00Z"}
	}
	return m.After(now), nil
}

// LineFault says what is wrong with a line that could not be decoded, or behind
// whose first value there is more. The decoder reads no further than it must, so
// that text is gone through again.
func lineFault(text []byte, err error) *tasks.InvalidError {
	var (
		syntax   *json.SyntaxError
		mismatch *json.UnmarshalTypeError
	)
	switch invalid := json.Unmarshal(text, new(json.RawMessage)); {
	case errors.As(invalid, &syntax):
		return &tasks.InvalidError{Field: "line", Want: fmt.Sprintf("not JSON at byte %d", syntax.Offset)}
	case errors.As(err, &mismatch) && strings.HasPrefix(mismatch.Field, "headers"):
		return &tasks.InvalidError{Field: "headers", Want: "want an object of strings"}
	case errors.As(err, &mismatch) && mismatch.Field != "":
		return &tasks.InvalidError{Field: mismatch.Field, Want: fmt.Sprintf("want %s, got %s", wanted(mismatch.Field), kindOf(mismatch.Value))}
	case errors.As(err, &mismatch):
		return &tasks.InvalidError{Field: "line", Want: "want an object, got " + kindOf(mismatch.Value)}
	}
	if err != nil {
		if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return &tasks.InvalidError{Field: cmp.Or(cli.Clip(strings.Trim(field, `"`), 64), `""`), Want: "unknown field; a line has " + lineFields}
		}
	}
	return &tasks.InvalidError{Field: "line", Want: "cannot be read"}
}

func wanted(field string) string {
	if field == "max_attempts" {
		return "a whole number"
	}
	return "a string"
}

// KindOf cuts the value off what a decoder says it found: "number 1.5".
func kindOf(value string) string {
	kind, _, _ := strings.Cut(value, " ")
	return kind
}
