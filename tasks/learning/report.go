package learning

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// A Sum is a sum over usages. All of it is integers, so it does not depend on the
// order in which they were added.
type Sum struct {
	Requests         int64 `json:"requests"`
	TotalTokens      int64 `json:"total_tokens"`
	PromptTokens     int64 `json:"prompt_tokens"`
	CompletionTokens int64 `json:"completion_tokens"`
	// Cost is exact; as JSON a decimal number of US dollars.
	Cost Dollars `json:"cost"`
	// Unpriced is how many of the requests have no known cost; Cost leaves them
	// out.
	Unpriced int64 `json:"unpriced_requests"`
}

// Dollars is an amount whose JSON is a decimal number of US dollars.
type Dollars NanoUSD

// String returns the amount with all digits that count.
func (d Dollars) String() string { return NanoUSD(d).String() }

// MarshalJSON returns all digits that count.
func (d Dollars) MarshalJSON() ([]byte, error) { return []byte(d.String()), nil }

func (s *Sum) add(u Usage) {
	s.Requests++
	s.TotalTokens += u.PromptTokens + u.CompletionTokens
	s.PromptTokens += u.PromptTokens
	s.CompletionTokens += u.CompletionTokens
	s.Cost += Dollars(u.Cost)
	if u.Pricing == Unpriced {
		s.Unpriced++
	}
}

// A UsageReport is what a user has used, in all, by model and by day.
type UsageReport struct {
	UserID string `json:"user_id"`
	Sum
	ByModel []ModelSum `json:"by_model"` // by name
	ByDay   []DaySum   `json:"by_day"`   // oldest first
}

// A ModelSum is a user's usage of one model.
type ModelSum struct {
	Model string `json:"model"`
	Sum
}

// A DaySum is a user's usage on one day.
type DaySum struct {
	Day string `json:"day"` // 2026-12-01
	Sum
}

// Entries reads what a [Ledger] has recorded.
type Entries interface {
	// Entries calls fn for each entry of a user with the time at which it was
	// recorded.
	Entries(ctx context.Context, user string, fn func(recorded time.Time, entry []byte)) error
}

// A UsageQuery says what to report.
type UsageQuery struct {
	User string
	// Since leaves out what was recorded before. Zero: nothing.
	Since time.Time
	// Zone is where days begin at midnight. Default UTC.
	Zone *time.Location
}

// ReportUsage sums up a user's entries.
func ReportUsage(ctx context.Context, ledger Entries, q UsageQuery) (UsageReport, error) {
	report := UsageReport{UserID: q.User}
	zone := cmp.Or(q.Zone, time.UTC)
	models, days := map[string]*Sum{}, map[string]*Sum{}
	var broken error
	err := ledger.Entries(ctx, q.User, func(recorded time.Time, entry []byte) {
		if recorded.Before(q.Since) {
			return
		}
		var u Usage
		if err := json.Unmarshal(entry, &u); err != nil {
			broken = fmt.Errorf("read the entry of %v: %w", recorded, err)
			return
		}
		report.add(u)
		at(models, u.Model).add(u)
		at(days, recorded.In(zone).Format(time.DateOnly)).add(u)
	})
	if err = cmp.Or(err, broken); err != nil {
		return UsageReport{}, fmt.Errorf("report usage: %w", err)
	}
	report.ByModel, report.ByDay = []ModelSum{}, []DaySum{}
	for model, sum := range models {
		report.ByModel = append(report.ByModel, ModelSum{model, *sum})
	}
	for day, sum := range days {
		report.ByDay = append(report.ByDay, DaySum{day, *sum})
	}
	slices.SortFunc(report.ByModel, func(a, b ModelSum) int { return cmp.Compare(a.Model, b.Model) })
	slices.SortFunc(report.ByDay, func(a, b DaySum) int { return cmp.Compare(a.Day, b.Day) })
	return report, nil
}

func at(sums map[string]*Sum, key string) *Sum {
	if sums[key] == nil {
		sums[key] = &Sum{}
	}
	return sums[key]
}
