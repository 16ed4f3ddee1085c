package learning_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sparkle/tasks"
	"sparkle/tasks/learning"
)

func dollars(d float64) *float64 { return &d }

func usage(change func(*learning.TokenUsage)) learning.TokenUsage {
	u := learning.TokenUsage{
		UserID: "u1", SessionID: "s1", RequestID: "r1",
		PromptTokens: 120, CompletionTokens: 30, Model: "gpt-4",
	}
	if change != nil {
		change(&u)
	}
	return u
}

func TestRecordPricesUsage(t *testing.T) {
	for _, c := range []struct {
		name    string
		model   string
		cost    *float64
		want    string
		pricing learning.Pricing
	}{
		{"gpt-4 by the table", "gpt-4", nil, "0.0054", learning.PricedByTable},
		{"gpt-4-turbo by the table", "gpt-4-turbo", nil, "0.0021", learning.PricedByTable},
		{"gpt-3.5-turbo by the table", "gpt-3.5-turbo", nil, "0.00018", learning.PricedByTable},
		{"a told cost wins", "gpt-4", dollars(0.1), "0.1", learning.PricedByCaller},
		{"a told cost of nothing", "gpt-4", dollars(0), "0", learning.PricedByCaller},
		{"a told cost of an unknown model", "qwen-plus", dollars(0.000000001), "0.000000001", learning.PricedByCaller},
		{"float noise is rounded", "qwen-plus", dollars(0.1 + 0.2), "0.3", learning.PricedByCaller},
		{"whole dollars", "qwen-plus", dollars(10_000), "10000", learning.PricedByCaller},
		{"unknown model", "qwen-plus", nil, "", learning.Unpriced},
		{"a name that is only similar", "gpt-4-32k", nil, "", learning.Unpriced},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := usage(func(u *learning.TokenUsage) { u.Model, u.Cost = c.model, c.cost })
			got, err := learning.Record(t.Context(), &ledger{}, in)
			want := learning.TokenReceipt{Status: "recorded", UserID: "u1", TotalTokens: 150, CostUSD: c.want, Pricing: c.pricing}
			if err != nil || got != want {
				t.Errorf("Record(%s) = %+v, %v, want %+v", c.name, got, err, want)
			}
		})
	}
}

func TestRecordCountsARequestOnce(t *testing.T) {
	book := &ledger{lost: 1}
	if _, err := learning.Record(t.Context(), book, usage(nil)); !errors.Is(err, errStore) || permanent(t, err) {
		t.Fatalf("Record with a lost answer = %v, want an error that is tried again", err)
	}
	got, err := learning.Record(t.Context(), book, usage(nil))
	if err != nil || got.Status != "already_recorded" || got.TotalTokens != 150 || got.CostUSD != "0.0054" {
		t.Errorf("Record again = %+v, %v, want already_recorded with the same numbers", got, err)
	}
	if len(book.entries) != 1 {
		t.Errorf("ledger has %d entries, want 1", len(book.entries))
	}
}

func TestRecordRefusesAnotherReportOfARequest(t *testing.T) {
	for field, change := range map[string]func(*learning.TokenUsage){
		"user_id":           func(u *learning.TokenUsage) { u.UserID = "u2" },
		"session_id":        func(u *learning.TokenUsage) { u.SessionID = "" },
		"model":             func(u *learning.TokenUsage) { u.Model = "gpt-4-turbo" },
		"prompt_tokens":     func(u *learning.TokenUsage) { u.PromptTokens++ },
		"completion_tokens": func(u *learning.TokenUsage) { u.CompletionTokens-- },
		"cost":              func(u *learning.TokenUsage) { u.Cost = dollars(0.0054) },
	} {
		t.Run(field, func(t *testing.T) {
			book := &ledger{}
			if _, err := learning.Record(t.Context(), book, usage(nil)); err != nil {
				t.Fatal(err)
			}
			before := string(book.entries["r1"])
			_, err := learning.Record(t.Context(), book, usage(change))
			if err == nil || !strings.HasSuffix(err.Error(), "another "+field) || !permanent(t, err) {
				t.Errorf("Record with another %s = %v, want a permanent error that names it", field, err)
			}
			if after := string(book.entries["r1"]); after != before {
				t.Errorf("entry became %s, want %s: what was first stands", after, before)
			}
		})
	}
}

func TestRecordAcceptsAReplayAfterAPriceChange(t *testing.T) {
	book := &ledger{entries: map[string][]byte{"r1": []byte(`{"request_id":"r1","user_id":"u1","session_id":"s1",` +
		`"model":"gpt-4","prompt_tokens":120,"completion_tokens":30,"cost_nano_usd":99,"pricing":"table"}`)}}
	got, err := learning.Record(t.Context(), book, usage(nil))
	if err != nil || got.Status != "already_recorded" || got.CostUSD != "0.000000099" {
		t.Errorf("Record = %+v, %v, want already_recorded at the first price", got, err)
	}
}

func TestRecordBuriesOnAForeignEntry(t *testing.T) {
	book := &ledger{entries: map[string][]byte{"r1": []byte("not an entry")}}
	if _, err := learning.Record(t.Context(), book, usage(nil)); err == nil || !permanent(t, err) {
		t.Errorf("Record over a foreign entry = %v, want a permanent error", err)
	}
}

func TestTokenUsageNamesTheBadField(t *testing.T) {
	for _, c := range []struct {
		name, field string
		change      func(*learning.TokenUsage)
	}{
		{"no user", "user_id", func(u *learning.TokenUsage) { u.UserID = "" }},
		{"long user", "user_id", func(u *learning.TokenUsage) { u.UserID = strings.Repeat("学", learning.MaxName+1) }},
		{"long session", "session_id", func(u *learning.TokenUsage) { u.SessionID = strings.Repeat("s", learning.MaxName+1) }},
		{"no request", "request_id", func(u *learning.TokenUsage) { u.RequestID = "" }},
		{"negative prompt", "prompt_tokens", func(u *learning.TokenUsage) { u.PromptTokens = -1 }},
		{"huge completion", "completion_tokens", func(u *learning.TokenUsage) { u.CompletionTokens = learning.MaxTokens + 1 }},
		{"no model", "model", func(u *learning.TokenUsage) { u.Model = "" }},
		{"negative cost", "cost", func(u *learning.TokenUsage) { u.Cost = dollars(-0.01) }},
		{"huge cost", "cost", func(u *learning.TokenUsage) { u.Cost = dollars(learning.MaxCost + 1) }},
		{"cost that is no number", "cost", func(u *learning.TokenUsage) { u.Cost = dollars(math.NaN()) }},
	} {
		t.Run(c.name, func(t *testing.T) { wantInvalid(t, usage(c.change).Validate(), c.field) })
	}
	full := usage(func(u *learning.TokenUsage) { u.UserID = strings.Repeat("学", learning.MaxName) })
	if err := full.Validate(); err != nil {
		t.Errorf("Validate with a user of %d characters = %v, want nil", learning.MaxName, err)
	}
}

func TestRecordedOnceThroughAFailingLedger(t *testing.T) {
	book := &ledger{fail: 1, lost: 1}
	registry := new(tasks.Registry)
	learning.Register(registry, learning.Stores{Ledger: book, Pictures: &gallery{}})
	task, err := learning.RecordTokenUsage.New(usage(nil))
	if err != nil {
		t.Fatal(err)
	}
	task.ID = "t1"
	memory := runAll(t, registry, task)
	events := memory.Events("t1")
	got, err := learning.RecordTokenUsage.Result(events[len(events)-1].Outcome.Result)
	if err != nil || got.Status != "already_recorded" || events[len(events)-1].Attempt != 3 {
		t.Errorf("result = %+v of attempt %d, %v, want already_recorded by the third", got, events[len(events)-1].Attempt, err)
	}
}

// A month of one user's entries: a model with a price and one without.
type month struct {
	t       *testing.T
	foreign bool
}

func (m month) Entries(_ context.Context, _ string, fn func(time.Time, []byte)) error {
	if m.foreign {
		fn(time.Now(), []byte("x"))
		return nil
	}
	book := &ledger{}
	for i := range 1000 {
		in := usage(func(u *learning.TokenUsage) {
			u.RequestID = fmt.Sprint(i)
			u.Model, u.Cost = "qwen-plus", dollars(0.1)
			if i%2 == 1 {
				u.Model, u.Cost = "mystery", nil
			}
		})
		if _, err := learning.Record(m.t.Context(), book, in); err != nil {
			m.t.Fatal(err)
		}
	}
	for request, entry := range book.entries {
		i, err := strconv.Atoi(request)
		if err != nil {
			m.t.Fatal(err)
		}
		// 17:30 UTC is the next day in Shanghai.
		fn(time.Date(2026, 12, 1+i/500, 17, 30, 0, 0, time.UTC), entry)
	}
	return nil
}

func TestReportUsageIsExactByModelAndDay(t *testing.T) {
	zone := time.FixedZone("Shanghai", 8*60*60)
	got, err := learning.ReportUsage(t.Context(), month{t: t}, learning.UsageQuery{User: "u1", Zone: zone})
	if err != nil {
		t.Fatal(err)
	}
	sum := func(priced, unpriced int64) learning.Sum {
		n := priced + unpriced
		return learning.Sum{
			Requests: n, TotalTokens: 150 * n, PromptTokens: 120 * n, CompletionTokens: 30 * n,
			Cost: learning.Dollars(priced * 100_000_000), Unpriced: unpriced,
		}
	}
	want := learning.UsageReport{
		UserID: "u1", Sum: sum(500, 500),
		ByModel: []learning.ModelSum{{Model: "mystery", Sum: sum(0, 500)}, {Model: "qwen-plus", Sum: sum(500, 0)}},
		ByDay:   []learning.DaySum{{Day: "2026-12-02", Sum: sum(250, 250)}, {Day: "2026-12-03", Sum: sum(250, 250)}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report differs (-want +got):\n%s", diff)
	}
	line, err := json.Marshal(got.ByModel[1])
	if err != nil || !strings.Contains(string(line), `"cost":50,`) {
		t.Errorf("500 × $0.1 = %s, %v, want a cost of 50", line, err)
	}
}

func TestReportUsageLeavesOutWhatIsOlder(t *testing.T) {
	since := time.Date(2026, 12, 2, 0, 0, 0, 0, time.UTC)
	got, err := learning.ReportUsage(t.Context(), month{t: t}, learning.UsageQuery{User: "u1", Since: since})
	if err != nil || got.Requests != 500 || len(got.ByDay) != 1 || got.ByDay[0].Day != "2026-12-02" {
		t.Errorf("ReportUsage = %+v, %v, want the second day in UTC", got, err)
	}
}

func TestReportUsageRefusesAForeignEntry(t *testing.T) {
	if _, err := learning.ReportUsage(t.Context(), month{t: t, foreign: true}, learning.UsageQuery{User: "u1"}); err == nil {
		t.Error("ReportUsage = nil, want an error")
	}
}

func TestNanoUSDPrintsAllDigitsThatCount(t *testing.T) {
	for amount, want := range map[learning.NanoUSD]string{
		0: "0", 1: "0.000000001", -1: "-0.000000001", 10_500_000: "0.0105",
		1_000_000_000: "1", -2_500_000_000: "-2.5", math.MaxInt64: "9223372036.854775807", math.MinInt64: "-9223372036.854775808",
	} {
		if got := amount.String(); got != want {
			t.Errorf("NanoUSD(%d).String() = %q, want %q", int64(amount), got, want)
		}
	}
}
