package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sparkle/internal/cli"
	"sparkle/tasks"
)

// A demoResult is what became of a sample.
type demoResult struct {
	Type   string          `json:"type"`
	ID     string          `json:"id"`
	State  tasks.State     `json:"state"`
	TookMS float64         `json:"took_ms"`
	Result json.RawMessage `json:"result"`
	Error  string          `json:"error,omitempty"`
}

func demoList(results []demoResult) cli.List[demoResult] {
	return cli.List[demoResult]{
		Items: results,
		Name:  func(r demoResult) string { return r.ID },
		Columns: []cli.Column[demoResult]{
			{Title: "type", Cell: func(r demoResult) string { return r.Type }},
			{Title: "state", Cell: func(r demoResult) string { return string(r.State) }, Paint: func(r demoResult) cli.Color { return paint(r.State) }},
			{Title: "took", Cell: func(r demoResult) string { return cli.Took(time.Duration(r.TookMS * 1e6)) }, Right: true},
			{Title: "summary", Cell: demoResult.summary},
		},
	}
}

// Summary is what went wrong, else the fields of the result, on one line.
func (r demoResult) summary() string {
	if r.Error != "" {
		return cli.Clip(r.Error, 100)
	}
	var fields map[string]any
	if json.Unmarshal(r.Result, &fields) != nil {
		return cli.Clip(string(r.Result), 100)
	}
	var words []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		switch v := fields[name].(type) {
		case []any:
			words = append(words, fmt.Sprintf("%s: %d", name, len(v)))
		case string, float64, bool:
			words = append(words, fmt.Sprintf("%s: %v", name, v))
		}
	}
	return cli.Clip(strings.Join(words, ", "), 160)
}

// Verdict is nil when all samples succeeded.
func verdict(results []demoResult) error {
	failed := 0
	for _, r := range results {
		if r.State != tasks.Succeeded {
			failed++
		}
	}
	if failed == 0 {
		return nil
	}
	return &cli.Fault{Code: cli.TaskDead, Err: fmt.Errorf("%d of %d samples failed", failed, len(results))}
}
