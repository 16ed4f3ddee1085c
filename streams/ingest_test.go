package streams_test

import (
	"testing"

	"sparkle/streams"
)

// Whatever answers, a batch never counts more as stored than was sent, and never
// fewer than before.
func FuzzIngestAnswer(f *testing.F) {
	for _, answer := range []string{
		`{"type":"ack","seq":3,"msgs":100}`, `{"type":"gap","last_seq":2,"seq":4}`,
		`{"type":"err","seq":2,"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 1"}}`,
		`{"stream":"S","seq":7,"batch":"b","count":2}`, `{"stream":"S","seq":7,"batch":"b","count":18446744073709551615}`,
		`{"error":{"code":400,"err_code":10208},"stream":"S","seq":0}`, `{"type":"ack","seq":-1}`, ``, `[]`,
	} {
		f.Add("1.0.$FI", []byte(answer), "2.1.$FI", []byte(`{"type":"ack","seq":2,"msgs":0}`))
	}
	f.Fuzz(func(t *testing.T, position string, answer []byte, position2 string, answer2 []byte) {
		const sent = 5
		stored := streams.ReadAnswers(sent, position, answer, position2, answer2)
		if stored[0] > sent || stored[1] > sent || stored[1] < stored[0] {
			t.Errorf("after %q and %q: %d stored of %d", answer, answer2, stored, sent)
		}
	})
}
