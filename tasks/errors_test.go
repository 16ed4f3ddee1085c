package tasks_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"sparkle/tasks"
)

func TestErrorsKeepWhatTheyWrap(t *testing.T) {
	t.Parallel()
	var invalid *tasks.InvalidError
	for name, err := range map[string]error{
		"permanent":   tasks.Permanent(errBoom),
		"retry after": tasks.RetryAfter(time.Second, errBoom),
		"both":        tasks.Permanent(fmt.Errorf("call: %w", tasks.RetryAfter(time.Second, errBoom))),
		"stuck":       &tasks.StuckError{Cause: errBoom},
	} {
		if !errors.Is(err, errBoom) {
			t.Errorf("%s: errors.Is(%v, boom) is false", name, err)
		}
	}
	if err := tasks.Permanent(&tasks.InvalidError{Field: "user"}); !errors.As(err, &invalid) || invalid.Field != "user" {
		t.Errorf("errors.As(%v) finds no InvalidError of user", err)
	}
}

func TestErrorTexts(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"boom":                 tasks.Permanent(errBoom),
		"asked to retry later": tasks.RetryAfter(time.Second, nil),
		"snoozed for 1m0s":     tasks.Snooze(time.Minute),
		"panic: nil map":       &tasks.PanicError{Value: "nil map"},
		"user: too long":       &tasks.InvalidError{Field: "user", Want: "too long"},
		"handler ignores its cancelled context (attempt timed out) for 10s": &tasks.StuckError{Cause: tasks.ErrTimeout, After: 10 * time.Second},
	} {
		if err.Error() != want {
			t.Errorf("%T says %q, want %q", err, err, want)
		}
	}
	if err := tasks.Permanent(nil); err != nil {
		t.Errorf("Permanent(nil) = %v, want nil", err)
	}
}
