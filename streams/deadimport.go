package streams

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// MaxDeadLine bounds a dead letter as a line of JSON, in bytes: a payload, and
// headers and a history with their escapes.
const MaxDeadLine = tasks.MaxPayload + 2<<20

// DecodeDead reads one line of an export. Its error is a [*tasks.InvalidError]
// that names the field and quotes no value.
func DecodeDead(line []byte) (DeadLetter, error) {
	var d DeadLetter
	if len(line) > MaxDeadLine {
		return d, &tasks.InvalidError{Field: "line", Want: fmt.Sprintf("longer than %d bytes", MaxDeadLine)}
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return DeadLetter{}, lineFault(line, err)
	}
	if decoder.More() {
		return DeadLetter{}, &tasks.InvalidError{Field: "line", Want: "want one JSON object, got more behind it"}
	}
	return d, d.check()
}

func lineFault(line []byte, err error) *tasks.InvalidError {
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &mismatch) && mismatch.Field != "":
		return &tasks.InvalidError{Field: mismatch.Field, Want: "want another kind of JSON value"}
	case errors.As(err, &mismatch):
		return &tasks.InvalidError{Field: "line", Want: "want an object"}
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return &tasks.InvalidError{Field: strings.Trim(field[:min(len(field), 64)], `"`), Want: "unknown field"}
	}
	if !json.Valid(line) {
		return &tasks.InvalidError{Field: "line", Want: "not JSON"}
	}
	return &tasks.InvalidError{Field: "line", Want: "has a time or base64 text that cannot be read"}
}

// Check reports the first field of a letter that did not come from the stream
// and that no letter in it has. The payload may be anything: it may be what the
// task died of.
func (d DeadLetter) check() error {
	task := tasks.Task{
		Type: d.Type, ID: d.ID, Priority: d.Priority, Pool: d.Pool, User: d.User,
		Timeout: d.Timeout, MaxAttempts: d.MaxAttempts, Headers: d.Headers,
	}
	if err := task.Check(); err != nil {
		return err
	}
	missing := func(field string) error { return &tasks.InvalidError{Field: field, Want: "missing"} }
	switch {
	case d.ID == "":
		return missing("id")
	case d.Pool == "":
		return missing("pool")
	case d.Priority == "":
		return missing("priority")
	case d.Run == "":
		return missing("run")
	case d.Reason == "":
		return missing("reason")
	case d.Died.IsZero():
		return missing("died")
	case d.Attempt < 1:
		return &tasks.InvalidError{Field: "attempt", Want: "want 1 or more"}
	}
	for _, text := range []struct{ field, value string }{
		{"run", d.Run}, {"reason", string(d.Reason)}, {"replayed", d.Replayed}, {"replayed_by", d.ReplayedBy},
	} {
		if len(text.value) > maxBy || strings.ContainsFunc(text.value, unicode.IsControl) {
			return &tasks.InvalidError{Field: text.field, Want: fmt.Sprintf("want at most %d bytes without control characters", maxBy)}
		}
	}
	return nil
}

// Message builds the letter as it was stored, but for the sequence of its task.
func (d DeadLetter) message(n Namespace, body *Body) (*nats.Msg, error) {
	history, err := json.Marshal(d.Attempts)
	if err != nil {
		return nil, err
	}
	if len(history) > maxHistory {
		return nil, &tasks.InvalidError{Field: "attempts", Want: fmt.Sprintf("%d bytes are more than %d", len(history), maxHistory)}
	}
	task := tasks.Task{
		Type: d.Type, ID: d.ID, Priority: d.Priority, Pool: d.Pool, User: d.User, Payload: d.Payload,
		Expires: d.Expires, Timeout: d.Timeout, MaxAttempts: d.MaxAttempts, Headers: d.Headers,
	}
	if len(d.Raw) > 0 {
		task.Payload = d.Raw
	}
	if body == nil && len(task.Payload) > maxTask {
		return nil, &tasks.InvalidError{Field: "payload", Want: fmt.Sprintf("%d bytes are more than %d", len(task.Payload), maxTask)}
	}
	m := envelope{Task: task, run: d.Run, attempt: d.Attempt, lineage: d.Lineage, body: body}.message(n)
	withHeader(m)
	m.Subject = n.Dead(task)
	m.Header.Set(HeaderAttempt, strconv.Itoa(d.Attempt))
	m.Header.Set(HeaderRun, d.Run)
	m.Header.Set(HeaderReason, string(d.Reason))
	m.Header.Set(HeaderError, oneLine(d.Error))
	m.Header.Set(HeaderHistory, string(history))
	if d.Lost > 0 {
		m.Header.Set(HeaderLost, strconv.Itoa(d.Lost))
	}
	m.Header.Set(HeaderDied, d.Died.UTC().Format(time.RFC3339Nano))
	return m, nil
}

// ImportDead stores a letter that was exported, and reports whether it did: a
// letter of the same id, run and attempt that is there already is left as it is,
// so that importing twice does not double. It keeps the letter's time of death;
// how long the letter itself is kept counts from now.
//
// It answers an [*tasks.InvalidError] for what can be no letter, and where the id
// has as many letters as are kept: one more would push out another.
func (c *Client) ImportDead(ctx context.Context, d DeadLetter) (bool, error) {
	if err := d.check(); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	body, err := c.packDead(ctx, d)
	if err != nil {
		return false, err
	}
	m, err := d.message(c.ns, body)
	if err != nil {
		return false, err
	}
	for {
		last, found, err := c.findLetter(ctx, m.Subject, d)
		if err != nil || found {
			return false, wrap("import", d.ID, err)
		}
		m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(last, 10))
		err = c.retry(ctx, func() error { return c.publish(ctx, m) })
		if !refused(err) { // else another letter came meanwhile
			return err == nil, wrap("import", d.ID, err)
		}
	}
}

// PackDead decides how the payload of a letter is carried, as of a task that is
// published. One that could not be read when it was exported stays as it was.
func (c *Client) packDead(ctx context.Context, d DeadLetter) (*Body, error) {
	switch {
	case d.Body != nil:
		body := *d.Body
		body.Data = d.Raw
		return &body, nil
	case len(d.Raw) > 0 || len(d.Payload) == 0:
		return nil, nil
	}
	body, large, err := c.pack(Packing{}, d.Payload)
	if err != nil || !large {
		return body, err
	}
	return body, c.checkIn(ctx, body, payloadBlob(d.Run), owner{payloadKind, d.Type, d.ID})
}

// FindLetter looks for the letter d on its subject and returns the sequence of
// the last one there. It asks the leader for each, since what it misses would be
// stored twice.
func (c *Client) findLetter(ctx context.Context, subject string, d DeadLetter) (last uint64, found bool, err error) {
	for range deadPerTask {
		s, err := c.leaderNext(ctx, "DEAD", subject, last+1)
		if errors.Is(err, errNoMessage) {
			return last, false, nil
		}
		if err != nil {
			return 0, false, err
		}
		if there := c.parseDead(s); there.Run == d.Run && there.Attempt == d.Attempt {
			return s.sequence, true, nil
		}
		last = s.sequence
	}
	return 0, false, &tasks.InvalidError{Field: "id", Want: fmt.Sprintf("%d letters of it are there, as many as are kept; replay or remove some", deadPerTask)}
}

// RemoveDead deletes a dead letter. One that is gone already is no error.
func (c *Client) RemoveDead(ctx context.Context, d DeadLetter) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := c.remove(ctx, "DEAD", d.Sequence)
	return wrap("remove dead letter of", d.ID, err)
}
