package learning

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"sparkle/tasks"
)

// RerankDocuments is the type of rerank_documents: it puts the documents that a
// first search found into the order in which they answer the query.
//
// The original allowed two retries with 2ⁿ s between; so do these, as the mean
// of the jitter. The work is a pure function, so only a lost worker can fail it.
var RerankDocuments = tasks.Type[RerankInput, Ranking]{
	Name:     "rerank_documents",
	Priority: tasks.Low,
	Timeout:  30 * time.Second,
	Retry:    tasks.Retry{Attempts: 3, Base: time.Second},
}

// Limits of a [RerankInput]; texts are measured in characters.
const (
	MaxQuery        = 2_000
	MaxDocuments    = 1_000
	MaxDocumentText = 20_000
	MaxTopK         = 1_000
	DefaultTopK     = 5
)

// RerankInput is the input of [RerankDocuments].
type RerankInput struct {
	// Query has at least one letter or digit.
	Query string `json:"query"`
	// Documents in the order of the first search, which decides ties. May be
	// empty.
	Documents []Document `json:"documents"`
	// TopK is how many results are wanted. Zero: 5; at most 1,000.
	TopK int `json:"top_k,omitempty"`
}

// A Document is a candidate of a [RerankInput]. Its id is unique among them.
type Document struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// Validate reports the first field that is missing or out of bounds, as a
// [*tasks.InvalidError].
func (in RerankInput) Validate() error {
	if err := checkLength("query", in.Query, MaxQuery); err != nil {
		return err
	}
	if len(queryTerms(in.Query)) == 0 {
		return invalid("query", "want a letter or a digit")
	}
	if in.TopK < 0 || in.TopK > MaxTopK {
		return invalid("top_k", "want 1 to %d, or 0 for %d", MaxTopK, DefaultTopK)
	}
	if len(in.Documents) > MaxDocuments {
		return invalid("documents", "%d are more than %d", len(in.Documents), MaxDocuments)
	}
	seen := make(map[string]bool, len(in.Documents))
	for i, d := range in.Documents {
		field := fmt.Sprintf("documents[%d]", i)
		if err := cmp.Or(checkName(field+".id", d.ID), checkLength(field+".text", d.Text, MaxDocumentText)); err != nil {
			return err
		}
		if seen[d.ID] {
			return invalid(field+".id", "an earlier document has the same")
		}
		seen[d.ID] = true
	}
	return nil
}

// A Ranking is the result of [RerankDocuments].
type Ranking struct {
	Status  string   `json:"status"` // always "success"
	Results []Ranked `json:"results"`
}

// A Ranked is a document's place. Its numbers depend on the query and on the set
// of documents, not on their order.
type Ranked struct {
	ID string `json:"id"`
	// Score is the fused score; 0 for a document without any term of the query.
	Score float64 `json:"score"`
	// Rank counts from 1.
	Rank int `json:"rank"`
	// BM25 is the Okapi BM25 of the document.
	BM25 float64 `json:"bm25"`
	// Coverage is the share of the query's terms that the document has, each
	// weighted by its IDF: 0 to 1.
	Coverage float64 `json:"coverage"`
}

// fusion is the constant k of reciprocal rank fusion (Cormack, Clarke and
// Büttcher, SIGIR 2009), the original's too.
const fusion = 60

// Rerank orders the documents of in, which must be valid, by the fusion of their
// BM25 and their coverage of the query. Documents without any term of the query
// come last, in the order given: a first search may have found them by means
// that words do not show, and whoever wants them gone can cut at score 0.
func Rerank(ctx context.Context, in RerankInput) (Ranking, error) {
	results, err := scoreDocuments(ctx, in.Query, in.Documents)
	if err != nil {
		return Ranking{}, err
	}
	fuse(results, func(r Ranked) float64 { return r.BM25 })
	fuse(results, func(r Ranked) float64 { return r.Coverage })
	slices.SortStableFunc(results, func(a, b Ranked) int { return cmp.Compare(b.Score, a.Score) })
	for i := range results {
		results[i].Rank = i + 1
	}
	k := in.TopK
	if k == 0 {
		k = DefaultTopK
	}
	return Ranking{Status: "success", Results: results[:min(k, len(results))]}, nil
}

// Fuse adds 1/(60+rank) to the score of each result whose value is above 0.
// Equal values share the best rank of theirs: ranks given by the order of input
// would make scores depend on it.
func fuse(results []Ranked, value func(Ranked) float64) {
	order := make([]int, 0, len(results))
	for i, r := range results {
		if value(r) > 0 {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(value(results[b]), value(results[a])) })
	rank := 0
	for i, at := range order {
		if i == 0 || value(results[at]) < value(results[order[i-1]]) {
			rank = i + 1
		}
		results[at].Score += 1 / float64(fusion+rank)
	}
}
