// Package learning has the tasks of the learning app, one file each: what a task
// takes, what it answers, and the plain function that does its work. A type's
// value (such as [RerankDocuments]) publishes it, handles it and reads its
// results; [Register] binds the functions to the stores they need.
package learning

import (
	"context"
	"fmt"
	"unicode/utf8"

	"sparkle/tasks"
)

// Stores are what the handlers keep their effects in. All are needed by a program
// that handles the tasks.
type Stores struct {
	// Ledger of record_token_usage.
	Ledger Ledger
	// Pictures of visualize_graph.
	Pictures Pictures
}

// Register adds every type and its handler to r. It panics where a store is
// missing, as [tasks.Handle] does on other mistakes of the program.
func Register(r *tasks.Registry, stores Stores) {
	if stores.Ledger == nil || stores.Pictures == nil {
		panic("learning: register: Stores needs a Ledger and Pictures")
	}
	tasks.Handle(r, RecordTokenUsage, func(ctx context.Context, in TokenUsage) (TokenReceipt, error) {
		return Record(ctx, stores.Ledger, in)
	})
	tasks.Handle(r, RerankDocuments, Rerank)
	tasks.Handle(r, VisualizeGraph, func(ctx context.Context, in Visualization) (Picture, error) {
		return Visualize(ctx, stores.Pictures, in)
	})
}

// Declare adds every type to r without a handler, for a program that only
// publishes.
func Declare(r *tasks.Registry) {
	tasks.Declare(r, RecordTokenUsage)
	tasks.Declare(r, RerankDocuments)
	tasks.Declare(r, VisualizeGraph)
}

// MaxName is the length of an id or a name in a payload, in characters.
const MaxName = 200

// checkName wants 1 to MaxName characters in a field that identifies something.
func checkName(field, value string) error {
	if value == "" {
		return invalid(field, "missing")
	}
	return checkLength(field, value, MaxName)
}

func checkLength(field, value string, limit int) error {
	if len(value) <= limit {
		return nil
	}
	if n := utf8.RuneCountInString(value); n > limit {
		return invalid(field, "%d characters are more than %d", n, limit)
	}
	return nil
}

func invalid(field, format string, args ...any) *tasks.InvalidError {
	return &tasks.InvalidError{Field: field, Want: fmt.Sprintf(format, args...)}
}
