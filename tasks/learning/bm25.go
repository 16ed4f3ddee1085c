package learning

import (
	"context"
	"math"
)

// Parameters of BM25 (Robertson and Zaragoza, "The Probabilistic Relevance
// Framework", 2009): how fast repeats of a term stop counting, and how much a
// long text is marked down.
const (
	bm25K1 = 1.2
	bm25B  = 0.75
)

// ScoreDocuments returns a result with BM25 and coverage for each document, in
// their order. It counts only the terms of the query, so its memory is one
// number per document and term.
func scoreDocuments(ctx context.Context, query string, documents []Document) ([]Ranked, error) {
	terms := queryTerms(query)
	slot := make(map[string]int, len(terms))
	for i, term := range terms {
		slot[term] = i
	}
	counts := make([][]int, len(documents))
	lengths := make([]int, len(documents))
	having := make([]int, len(terms)) // documents that have the term
	total := 0
	for i, d := range documents {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		counts[i], lengths[i] = countTerms(d.Text, slot)
		total += lengths[i]
		for t, n := range counts[i] {
			having[t] += min(n, 1)
		}
	}
	weights, all := idf(having, len(documents))
	mean := float64(total) / float64(max(len(documents), 1))
	results := make([]Ranked, len(documents))
	for i, d := range documents {
		results[i] = Ranked{ID: d.ID, BM25: bm25(counts[i], weights, float64(lengths[i])/mean), Coverage: coverage(counts[i], weights, all)}
	}
	return results, nil
}

// CountTerms returns how often text has each term of slot, and the text's length
// in words and ideographs.
func countTerms(text string, slot map[string]int) (counts []int, length int) {
	counts = make([]int, len(slot))
	for term, one := range documentTerms(text) {
		length += one
		if i, ok := slot[term]; ok {
			counts[i]++
		}
	}
	return counts, length
}

// Idf returns the inverse document frequency of each term, in the form that
// stays above zero for terms of more than half the documents, and the sum.
func idf(having []int, documents int) (weights []float64, sum float64) {
	weights = make([]float64, len(having))
	for t, n := range having {
		weights[t] = math.Log(1 + (float64(documents-n)+0.5)/(float64(n)+0.5))
		sum += weights[t]
	}
	return weights, sum
}

func bm25(counts []int, weights []float64, relativeLength float64) float64 {
	score := 0.0
	for t, n := range counts {
		if n > 0 {
			score += weights[t] * float64(n) * (bm25K1 + 1) / (float64(n) + bm25K1*(1-bm25B+bm25B*relativeLength))
		}
	}
	return score
}

func coverage(counts []int, weights []float64, all float64) float64 {
	covered := 0.0
	for t, n := range counts {
		if n > 0 {
			covered += weights[t]
		}
	}
	return covered / all
}
