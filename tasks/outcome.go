package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	parkFor      = 30 * time.Second // until a parked task is tried again
	maxErrorText = 4 << 10
	maxStackText = 8 << 10
)

// Decide turns a handler's answer into an outcome. It is false when the attempt
// must not be settled, since its lease is gone.
func (a *attempt) decide(policy Retry, result json.RawMessage, err, cause error) (Outcome, bool) {
	if errors.Is(cause, ErrCancelled) {
		return cancelledOutcome(err), true
	}
	if err == nil && len(result) > MaxResult {
		err = Permanent(fmt.Errorf("result: %d bytes are more than %d", len(result), MaxResult))
	}
	if err == nil {
		return Outcome{State: Succeeded, Result: result}, true
	}
	if errors.Is(cause, ErrLeaseLost) {
		return Outcome{}, false
	}
	return a.failed(policy, err, cause, time.Now()), true
}

func (a *attempt) failed(policy Retry, err, cause error, now time.Time) Outcome {
	var (
		permanent *permanentError
		snooze    *snoozeError
		later     *retryAfterError
	)
	isPermanent := errors.As(err, &permanent)
	if errors.Is(cause, ErrShutdown) && (!isPermanent || errors.Is(err, context.Canceled)) {
		return Outcome{State: Returned}
	}
	if !isPermanent && errors.As(err, &snooze) {
		return Outcome{State: Scheduled, At: now.Add(snooze.after)}
	}
	o := Outcome{Error: errorText(err, cause), Stack: stackOf(err)}
	switch {
	case isPermanent:
		o.State, o.Reason = Dead, permanent.reason
	case a.Attempt >= a.maxAttempts(policy):
		o.State, o.Reason = Dead, ReasonAttempts
	case errors.As(err, &later):
		o.State, o.At = Retrying, now.Add(max(later.after, 0))
	default:
		o.State, o.At = Retrying, now.Add(policy.Delay(a.Attempt))
	}
	return o
}

func (a *attempt) maxAttempts(policy Retry) int {
	if a.MaxAttempts > 0 {
		return a.MaxAttempts
	}
	return policy.Attempts
}

// ErrorText names the cause of the cancellation where the handler's own error
// only says that there was one.
func errorText(err, cause error) string {
	text := err.Error()
	if errors.Is(cause, ErrTimeout) && !errors.Is(err, ErrTimeout) {
		text = ErrTimeout.Error() + ": " + text
	}
	return bounded(text, maxErrorText)
}

func stackOf(err error) string {
	var panicked *PanicError
	if errors.As(err, &panicked) {
		return panicked.Stack
	}
	var stuck *StuckError
	if errors.As(err, &stuck) {
		return stuck.Stack
	}
	return ""
}

// Bounded cuts text to at most size bytes of valid UTF-8.
func bounded(text string, size int) string {
	text = strings.ToValidUTF8(text[:min(len(text), size)], "\uFFFD")
	if len(text) <= size {
		return text
	}
	return strings.ToValidUTF8(text[:size], "")
}
