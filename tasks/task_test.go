package tasks_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sparkle/tasks"
)

func TestTaskCheckNamesTheField(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 129)
	many := map[string]string{}
	for i := range tasks.MaxHeaders + 1 {
		many[fmt.Sprint("h", i)] = ""
	}
	const name = "is not 1 to 128 letters, digits, _ or -"
	for row, c := range map[string]struct {
		task tasks.Task
		want string
	}{
		"a type alone": {tasks.Task{Type: "a"}, ""},
		"every field": {tasks.Task{
			Type: "a-b_C9", ID: strings.Repeat("x", 128), Payload: []byte(`{}`), Priority: tasks.Low, Pool: "gpu", User: "Änne",
			Timeout: time.Second, MaxAttempts: 1, Headers: map[string]string{"traceparent": "00-x"},
		}, ""},
		"no type":                  {tasks.Task{}, `type: "" ` + name},
		"a type with a dot":        {tasks.Task{Type: "a.b"}, `type: "a.b" ` + name},
		"a wildcard":               {tasks.Task{Type: "*"}, `type: "*" ` + name},
		"a type with a line end":   {tasks.Task{Type: "a\n"}, `type: "a\n" ` + name},
		"a type too long":          {tasks.Task{Type: long}, `type: "` + long[:64] + `…" ` + name},
		"an id with a space":       {tasks.Task{Type: "a", ID: "a b"}, `id: "a b" ` + name},
		"an id of another script":  {tasks.Task{Type: "a", ID: "ä"}, `id: "ä" ` + name},
		"a pool with a >":          {tasks.Task{Type: "a", Pool: ">"}, `pool: ">" ` + name},
		"an unknown priority":      {tasks.Task{Type: "a", Priority: "urgent"}, `priority: "urgent" is none of high, default, low`},
		"a user too long":          {tasks.Task{Type: "a", User: strings.Repeat("u", 257)}, "user: want at most 256 bytes without control characters"},
		"a user with a line end":   {tasks.Task{Type: "a", User: "a\r\nb"}, "user: want at most 256 bytes without control characters"},
		"a negative timeout":       {tasks.Task{Type: "a", Timeout: -time.Second}, "timeout: -1s is negative"},
		"negative attempts":        {tasks.Task{Type: "a", MaxAttempts: -1}, "max_attempts: -1 is negative"},
		"too many headers":         {tasks.Task{Type: "a", Headers: many}, "headers: 33 names are more than 32"},
		"a header without name":    {tasks.Task{Type: "a", Headers: map[string]string{"": "x"}}, `headers: "" is not a header name`},
		"a header with a colon":    {tasks.Task{Type: "a", Headers: map[string]string{"a:b": "x"}}, `headers: "a:b" is not a header name`},
		"a header with a line end": {tasks.Task{Type: "a", Headers: map[string]string{"a\n": "x"}}, `headers: "a\n" is not a header name`},
		"a reserved header":        {tasks.Task{Type: "a", Headers: map[string]string{"nats-Msg-Id": "x"}}, `headers: "nats-Msg-Id": names beginning with Nats- or Sparkle- are reserved`},
		"our own header":           {tasks.Task{Type: "a", Headers: map[string]string{"SPARKLE-Run": "x"}}, `headers: "SPARKLE-Run": names beginning with Nats- or Sparkle- are reserved`},
		"a header of the codec":    {tasks.Task{Type: "a", Headers: map[string]string{"content-Type": "x"}}, `headers: "content-Type" is reserved: the publisher's codec sets it`},
		"a split header":           {tasks.Task{Type: "a", Headers: map[string]string{"a": "secret\r\nb: c"}}, `headers: the value of "a" has control characters`},
		"headers too large":        {tasks.Task{Type: "a", Headers: map[string]string{"a": strings.Repeat("x", 4096)}}, "headers: 4097 bytes are more than 4096"},
		"no JSON":                  {tasks.Task{Type: "a", Payload: []byte("secret")}, "payload: not JSON at byte 1"},
	} {
		t.Run(row, func(t *testing.T) {
			t.Parallel()
			wantInvalid(t, "Check", c.task.Check(), c.want)
		})
	}
}

func TestStatesThatEndARun(t *testing.T) {
	t.Parallel()
	ends := map[tasks.State]bool{tasks.Succeeded: true, tasks.Dead: true, tasks.Cancelled: true, tasks.Expired: true}
	for _, s := range []tasks.State{
		tasks.Scheduled, tasks.Waiting, tasks.Running, tasks.Returned, tasks.Retrying, tasks.Parked, tasks.Held,
		tasks.Succeeded, tasks.Dead, tasks.Cancelled, tasks.Expired,
	} {
		if s.Terminal() != ends[s] {
			t.Errorf("%s.Terminal() = %v, want %v", s, s.Terminal(), ends[s])
		}
	}
}

func TestOnlyAFailureRaisesTheAttempt(t *testing.T) {
	t.Parallel()
	for state, want := range map[tasks.State]int{tasks.Retrying: 4, tasks.Scheduled: 3, tasks.Parked: 3, tasks.Returned: 3} {
		if got := (tasks.Outcome{State: state}).NextAttempt(3); got != want {
			t.Errorf("NextAttempt(3) after %s = %d, want %d", state, got, want)
		}
	}
}
