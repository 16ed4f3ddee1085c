package learning

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"sparkle/tasks"
)

// RecordTokenUsage is the type of record_token_usage: it counts the tokens and
// the cost of one model call, once.
//
// The original allowed two retries 10 s apart; the mean delays are now 10 s and
// 20 s. What is dead after that is replayed, and still counts once.
var RecordTokenUsage = tasks.Type[TokenUsage, TokenReceipt]{
	Name:     "record_token_usage",
	Priority: tasks.Low,
	Timeout:  30 * time.Second,
	Retry:    tasks.Retry{Attempts: 3, Base: 10 * time.Second},
}

// Limits of a [TokenUsage].
const (
	MaxTokens = 1_000_000_000 // tokens of one kind in one request
	MaxCost   = 10_000        // US dollars of one request
)

// TokenUsage is the input of [RecordTokenUsage].
type TokenUsage struct {
	// UserID is who pays.
	UserID string `json:"user_id"`
	// SessionID may be empty.
	SessionID string `json:"session_id,omitempty"`
	// RequestID identifies the model call; it is counted once, whoever sends it.
	RequestID        string `json:"request_id"`
	PromptTokens     int64  `json:"prompt_tokens"`
	CompletionTokens int64  `json:"completion_tokens"`
	// Model is the provider's exact name of the model.
	Model string `json:"model"`
	// Cost is in US dollars, to the billionth, and is taken as given. Nil: the
	// list price of the model, or unknown where there is none.
	Cost *float64 `json:"cost,omitempty"`
}

// Validate reports the first field that is missing or out of bounds, as a
// [*tasks.InvalidError].
func (u TokenUsage) Validate() error {
	return cmp.Or(
		checkName("user_id", u.UserID),
		checkLength("session_id", u.SessionID, MaxName),
		checkName("request_id", u.RequestID),
		checkTokens("prompt_tokens", u.PromptTokens),
		checkTokens("completion_tokens", u.CompletionTokens),
		checkName("model", u.Model),
		checkCost(u.Cost),
	)
}

func checkCost(dollars *float64) error {
	if dollars == nil || *dollars >= 0 && *dollars <= MaxCost {
		return nil
	}
	return invalid("cost", "want 0 to %d US dollars", MaxCost)
}

func checkTokens(field string, n int64) error {
	if n < 0 || n > MaxTokens {
		return invalid(field, "want 0 to %d", MaxTokens)
	}
	return nil
}

// Pricing says where the cost of a [Usage] comes from.
type Pricing string

// The sources of a cost.
const (
	PricedByCaller Pricing = "caller"  // the caller told it
	PricedByTable  Pricing = "table"   // list price
	Unpriced       Pricing = "unknown" // neither: the tokens count, the cost is not known
)

// A Usage is an entry of the [Ledger]: what one model call used. Its JSON is what
// the ledger keeps, and what a [UsageReport] is summed up from.
type Usage struct {
	RequestID        string  `json:"request_id"`
	UserID           string  `json:"user_id"`
	SessionID        string  `json:"session_id,omitempty"`
	Model            string  `json:"model"`
	PromptTokens     int64   `json:"prompt_tokens"`
	CompletionTokens int64   `json:"completion_tokens"`
	Cost             NanoUSD `json:"cost_nano_usd"`
	Pricing          Pricing `json:"pricing"`
}

func (u TokenUsage) entry() Usage {
	entry := Usage{
		RequestID: u.RequestID, UserID: u.UserID, SessionID: u.SessionID, Model: u.Model,
		PromptTokens: u.PromptTokens, CompletionTokens: u.CompletionTokens, Pricing: Unpriced,
	}
	if u.Cost != nil {
		entry.Cost, entry.Pricing = nanoUSD(*u.Cost), PricedByCaller
	} else if p, ok := priceOf(u.Model); ok {
		entry.Cost, entry.Pricing = p.of(u.PromptTokens, u.CompletionTokens), PricedByTable
	}
	return entry
}

// A Ledger keeps one entry per request for longer than a dead letter can be
// replayed (30 days by default). Its methods are safe for concurrent use.
type Ledger interface {
	// Record stores entry under request unless the ledger has that request
	// already, in one atomic step; recorded tells which, and stored is what the
	// ledger has now. The request alone is the identity: user and model only
	// say where totals will look for the entry, and any of the three may hold
	// any characters. An error means that it is not known what was stored.
	Record(ctx context.Context, user, model, request string, entry []byte) (stored []byte, recorded bool, err error)
}

// A TokenReceipt is the result of [RecordTokenUsage].
type TokenReceipt struct {
	// Status is "recorded", or "already_recorded" when the same numbers were
	// counted before.
	Status      string `json:"status"`
	UserID      string `json:"user_id"`
	TotalTokens int64  `json:"total_tokens"`
	// CostUSD is the cost in dollars, exact; empty when Pricing is unknown.
	CostUSD string  `json:"cost_usd,omitempty"`
	Pricing Pricing `json:"pricing"`
}

// Record counts in, which must be valid, in the ledger. A request that was
// counted before with the same numbers is a success; with other numbers it is a
// permanent error that names what differs: one of the two senders is wrong, no
// retry can tell which, and what was counted first stands.
func Record(ctx context.Context, ledger Ledger, in TokenUsage) (TokenReceipt, error) {
	entry := in.entry()
	data, err := json.Marshal(entry)
	if err != nil {
		return TokenReceipt{}, tasks.Permanent(fmt.Errorf("encode usage: %w", err))
	}
	stored, recorded, err := ledger.Record(ctx, entry.UserID, entry.Model, entry.RequestID, data)
	if err != nil {
		return TokenReceipt{}, fmt.Errorf("record token usage: %w", err)
	}
	if recorded {
		return entry.receipt("recorded"), nil
	}
	var first Usage
	if err := json.Unmarshal(stored, &first); err != nil {
		return TokenReceipt{}, tasks.Permanent(fmt.Errorf("read the recorded usage: %w", err))
	}
	if fields := first.differences(entry); len(fields) > 0 {
		return TokenReceipt{}, tasks.Permanent(fmt.Errorf("request is already recorded with another %s", strings.Join(fields, ", ")))
	}
	return first.receipt("already_recorded"), nil
}

func (u Usage) receipt(status string) TokenReceipt {
	r := TokenReceipt{Status: status, UserID: u.UserID, TotalTokens: u.PromptTokens + u.CompletionTokens, Pricing: u.Pricing}
	if u.Pricing != Unpriced {
		r.CostUSD = u.Cost.String()
	}
	return r
}

// Differences names the fields in which two reports of one request disagree. A
// cost that nobody told is left out: the price table may have changed between
// the first report and a replay.
func (u Usage) differences(again Usage) []string {
	var fields []string
	for _, f := range []struct {
		name   string
		differ bool
	}{
		{"user_id", u.UserID != again.UserID},
		{"session_id", u.SessionID != again.SessionID},
		{"model", u.Model != again.Model},
		{"prompt_tokens", u.PromptTokens != again.PromptTokens},
		{"completion_tokens", u.CompletionTokens != again.CompletionTokens},
		{"cost", u.toldCost() != again.toldCost()},
	} {
		if f.differ {
			fields = append(fields, f.name)
		}
	}
	return fields
}

// ToldCost is the caller's cost, -1 if the caller told none.
func (u Usage) toldCost() NanoUSD {
	if u.Pricing != PricedByCaller {
		return -1
	}
	return u.Cost
}
