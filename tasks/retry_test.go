package tasks_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sparkle/tasks"
)

func TestRetryMaxDoublesUpToTheCap(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		policy tasks.Retry
		n      int
		want   time.Duration
	}{
		"default, first":     {tasks.Retry{}, 1, 4 * time.Second},
		"default, fifth":     {tasks.Retry{}, 5, 64 * time.Second},
		"default, capped":    {tasks.Retry{}, 9, 10 * time.Minute},
		"base is the cap":    {tasks.Retry{Base: time.Hour, Cap: time.Hour}, 1, time.Hour},
		"base above cap":     {tasks.Retry{Base: time.Hour, Cap: time.Second}, 1, time.Second},
		"attempt zero":       {tasks.Retry{}, 0, 2 * time.Second},
		"negative attempt":   {tasks.Retry{}, -7, 2 * time.Second},
		"no overflow":        {tasks.Retry{Cap: math.MaxInt64}, math.MaxInt, math.MaxInt64},
		"half of an odd cap": {tasks.Retry{Base: 3, Cap: 7}, 1, 7},
	} {
		if got := row.policy.Max(row.n); got != row.want {
			t.Errorf("%s: %+v.Max(%d) = %v, want %v", name, row.policy, row.n, got, row.want)
		}
	}
}

func TestRetryDelayStaysWithinItsBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		policy := tasks.Retry{
			Base: time.Duration(rapid.Int64().Draw(t, "base")),
			Cap:  time.Duration(rapid.Int64().Draw(t, "cap")),
		}
		n := rapid.Int().Draw(t, "attempt")
		limit := policy.Cap
		if limit <= 0 {
			limit = tasks.DefaultCap
		}
		longest := policy.Max(n)
		if longest <= 0 || longest > limit {
			t.Fatalf("%+v.Max(%d) = %v, want within 0 and %v", policy, n, longest, limit)
		}
		if n < math.MaxInt && policy.Max(n+1) < longest {
			t.Fatalf("%+v.Max(%d) = %v, less than before", policy, n+1, policy.Max(n+1))
		}
		if d := policy.Delay(n); d < 0 || d > longest {
			t.Fatalf("%+v.Delay(%d) = %v, want within 0 and %v", policy, n, d, longest)
		}
	})
}

func TestRetryDelayUsesTheWholeInterval(t *testing.T) {
	t.Parallel()
	policy := tasks.Retry{Base: time.Second}
	var below int
	for range 1000 {
		if policy.Delay(1) < time.Second {
			below++
		}
	}
	if below < 400 || below > 600 {
		t.Errorf("%d of 1000 delays are in the lower half, want about 500", below)
	}
}
