package learning

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Terms. Text is folded by NFKC and lower case (full-width letters and ligatures
// become plain ones); a run of letters, marks and digits is a word and a term.
// Chinese and Japanese put no spaces between words: there every pair of
// neighbouring characters is a term, which finds words of any length without a
// dictionary. A dictionary (gse 0.80) took 1.0 s and 208 MiB to load, four times
// what the whole process may have.

// DocumentTerms yields the terms of a text in order, each with what it adds to
// the text's length. Of ideographs it yields the single characters too, so that
// a query of one character finds them; the pairs then add nothing.
func documentTerms(text string) iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for run, ideographic := range runs(text) {
			if !ideographic {
				if !yield(run, 1) {
					return
				}
				continue
			}
			for i, j := 0, 0; i < len(run); i = j {
				_, n := utf8.DecodeRuneInString(run[i:])
				j = i + n
				_, next := utf8.DecodeRuneInString(run[j:])
				if !yield(run[i:j], 1) || next > 0 && !yield(run[i:j+next], 0) {
					return
				}
			}
		}
	}
}

// QueryTerms returns the distinct terms of a query in order. A single ideograph
// counts only where it stands alone: in pairs it would find too much.
func queryTerms(query string) []string {
	var terms []string
	seen := map[string]bool{}
	add := func(term string) {
		if !seen[term] {
			seen[term] = true
			terms = append(terms, term)
		}
	}
	for run, ideographic := range runs(query) {
		if !ideographic || utf8.RuneCountInString(run) == 1 {
			add(run)
			continue
		}
		for term, single := range documentTerms(run) {
			if single == 0 {
				add(term)
			}
		}
	}
	return terms
}

// The kinds of characters.
const (
	separator = iota
	letter
	ideograph
	mark // belongs to what it follows
)

// firstIdeograph spares other scripts the look into three tables.
const firstIdeograph = '\u2e80'

func kindOf(r rune) int {
	switch {
	case r >= firstIdeograph && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) || r == 'ー':
		return ideograph
	case unicode.IsLetter(r) || unicode.IsDigit(r):
		return letter
	case unicode.IsMark(r):
		return mark
	default:
		return separator
	}
}

// Runs yields the longest runs of one kind in folded text, and whether a run
// consists of ideographs.
func runs(text string) iter.Seq2[string, bool] {
	folded := strings.ToLower(norm.NFKC.String(text))
	return func(yield func(string, bool) bool) {
		start, kind := 0, separator
		for i, r := range folded {
			next := kindOf(r)
			if next == kind || next == mark && kind != separator {
				continue
			}
			if kind != separator && !yield(folded[start:i], kind == ideograph) {
				return
			}
			start, kind = i, next
			if kind == mark { // a mark that follows nothing
				kind = separator
			}
		}
		if kind != separator {
			yield(folded[start:], kind == ideograph)
		}
	}
}
