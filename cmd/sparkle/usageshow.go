package main

import (
	"context"
	"fmt"
	"time"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks/learning"
)

type usageShow struct {
	User  string     `arg:"" help:"The user's id."`
	Since cli.Moment `placeholder:"TIME" help:"Only what was recorded since then: a duration back from now such as 720h, or RFC 3339."`
}

// Run shows a user's usage; kong calls it.
func (c *usageShow) Run(ctx context.Context, s *session) error {
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	report, err := learning.ReportUsage(ctx, streams.NewLedger(client), learning.UsageQuery{
		User: c.User, Since: c.Since.Before(time.Now()),
	})
	if err != nil {
		return err
	}
	u := usage{report}
	if u.Requests == 0 {
		return &cli.Fault{
			Code: cli.NotFound, Err: fmt.Errorf("no usage of %q is recorded", c.User),
			Hint: "usage comes from tasks of type record_token_usage; its user is user_id in the payload",
		}
	}
	return cli.Object{Value: u.UsageReport, Name: u.UserID, Page: u.describe}.Print(s.printer())
}

// A usage is a report that describes itself to people.
type usage struct{ learning.UsageReport }

func (u usage) describe(page *cli.Page) {
	r := u.UsageReport
	page.Field("user", r.UserID)
	page.Field("requests", fmt.Sprint(r.Requests))
	page.Field("tokens", fmt.Sprintf("%d (%d prompt, %d completion)", r.TotalTokens, r.PromptTokens, r.CompletionTokens))
	page.Field("cost", "$"+r.Cost.String()+unpriced(r.Sum))
	cli.AddList(page, usageList("model", r.ByModel, func(m learning.ModelSum) (string, learning.Sum) { return m.Model, m.Sum }))
	cli.AddList(page, usageList("day (UTC)", r.ByDay, func(d learning.DaySum) (string, learning.Sum) { return d.Day, d.Sum }))
}

func unpriced(s learning.Sum) string {
	if s.Unpriced == 0 {
		return ""
	}
	return fmt.Sprintf(", without the %d whose price is not known", s.Unpriced)
}

func usageList[T any](title string, items []T, of func(T) (string, learning.Sum)) cli.List[T] {
	number := func(title string, n func(learning.Sum) any) cli.Column[T] {
		return cli.Column[T]{Title: title, Right: true, Cell: func(item T) string {
			_, s := of(item)
			return fmt.Sprint(n(s))
		}}
	}
	return cli.List[T]{Items: items, Columns: []cli.Column[T]{
		{Title: title, Cell: func(item T) string {
			name, _ := of(item)
			return name
		}},
		number("requests", func(s learning.Sum) any { return s.Requests }),
		number("prompt", func(s learning.Sum) any { return s.PromptTokens }),
		number("completion", func(s learning.Sum) any { return s.CompletionTokens }),
		number("total", func(s learning.Sum) any { return s.TotalTokens }),
		number("cost $", func(s learning.Sum) any { return s.Cost }),
	}}
}
