package streams

import (
	"context"
	"encoding/base64"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// A Ledger keeps one entry per request, a message each, for the topology's
// UsageAge. Totals are derived from it and never stored beside it. It is safe
// for concurrent use.
type Ledger struct{ client *Client }

// NewLedger returns the ledger of c's namespace.
func NewLedger(c *Client) *Ledger { return &Ledger{c} }

// Record stores entry under request unless the ledger has that request already;
// recorded tells which, and stored is what it has now. The server decides, by an
// expected sequence of 0, so any number of writers count a request once.
func (l *Ledger) Record(ctx context.Context, user, model, request string, entry []byte) (stored []byte, recorded bool, err error) {
	c := l.client
	m := nats.NewMsg(c.ns.subject("usage", token(user), token(model), token(request)))
	m.Data = entry
	m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, "0")
	m.Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, c.ns.subject("usage", "*", "*", token(request)))
	for {
		err = c.publish(ctx, m)
		if err == nil {
			return entry, true, nil
		}
		if !refused(err) {
			return nil, false, wrap("record", "request", err)
		}
		last, err := c.leaderLast(ctx, "USAGE", c.ns.subject("usage", "*", "*", token(request)))
		if err == nil {
			return last.data, false, nil
		}
		if !errors.Is(err, errNoMessage) { // else it was removed meanwhile
			return nil, false, wrap("read", "recorded request", err)
		}
	}
}

// Entries calls fn for each entry of a user, oldest first, with the time at
// which it was recorded.
func (l *Ledger) Entries(ctx context.Context, user string, fn func(recorded time.Time, entry []byte)) error {
	return l.client.each(ctx, "USAGE", l.client.ns.subject("usage", token(user), "*", "*"), func(s stored) bool {
		fn(s.time, s.data)
		return true
	})
}

// Token makes any text one token of a subject: itself where it is a valid name,
// else encoded behind a = that no name has.
func token(text string) string {
	if tasks.ValidName(text) {
		return text
	}
	return "=" + base64.RawURLEncoding.EncodeToString([]byte(text))
}
