package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

type taskShow struct {
	ID string `arg:"" help:"The task's id."`
}

// Run shows a task; kong calls it.
func (c *taskShow) Run(ctx context.Context, s *session) error {
	_, t, err := s.find(ctx, c.ID)
	if err != nil {
		return err
	}
	p := s.printer()
	return cli.Object{Value: t, Name: t.ID, Page: func(page *cli.Page) { describe(page, p, t) }}.Print(p)
}

// Find connects and looks a task up; what the task got from others is valid JSON.
func (s *session) find(ctx context.Context, id string) (*streams.Client, streams.TaskInfo, error) {
	if err := checkID(id); err != nil {
		return nil, streams.TaskInfo{}, err
	}
	client, err := s.client(ctx)
	if err != nil {
		return nil, streams.TaskInfo{}, err
	}
	t, err := client.Task(ctx, id)
	t.Result, t.Payload = printable(t.Result), printable(t.Payload)
	return client, t, err
}

func checkID(id string) error {
	if tasks.ValidName(id) {
		return nil
	}
	return cli.Misuse("%q is not a task's id: want 1 to 128 letters, digits, _ or -", cli.Clip(id, 64))
}

// Printable is value, or as a string what somebody published that is no JSON.
func printable(value json.RawMessage) json.RawMessage {
	if len(value) == 0 || json.Valid(value) {
		return value[:len(value):len(value)]
	}
	text, err := json.Marshal(string(value))
	if err != nil {
		return nil
	}
	return text
}

func describe(page *cli.Page, p cli.Printer, t streams.TaskInfo) {
	page.Field("id", t.ID)
	page.Field("run", t.Run)
	page.Field("type", t.Type)
	page.Field("queue", string(t.Priority)+"-"+t.Pool)
	page.Field("user", t.User)
	page.Field("replayed", lineage(t.Lineage))
	page.Painted("state", stateSince(p, t), paint(t.State))
	if t.Due != nil && !t.State.Terminal() {
		page.Field("due", p.Until(*t.Due))
	}
	page.Field("reason", string(t.Reason))
	page.Field("by", t.By)
	page.Field("why", t.Note)
	page.Field("error", t.Error)
	if t.Progress != nil {
		page.Field("progress", progress(t.Progress.Fraction, t.Progress.Note))
	}
	page.Field("lost", leases(t.Lost))
	page.Field("body", bodyText(t.PayloadBody))
	page.Field("body", bodyText(t.ResultBody))
	page.Field("unreadable", t.Unreadable)
	cli.AddList(page, attemptList(p, t.Attempts))
	addStack(page, t.Attempts)
	page.JSON("PAYLOAD", t.Payload)
	page.JSON("RESULT", t.Result)
}

// BodyText tells how a payload or result is carried that is no plain JSON in its
// message.
func bodyText(b *streams.Body) string {
	if b == nil {
		return ""
	}
	text := strings.TrimSpace(b.ContentType + " " + b.Encoding)
	if b.Blob != "" {
		text = strings.TrimSpace(fmt.Sprintf("blob %s, %d bytes %s", b.Blob, b.Size, text))
	}
	return text
}

// Lineage tells which run's dead letter was replayed, and by whom.
func lineage(l streams.Lineage) string {
	if l.ReplayedBy == "" {
		return l.Replayed
	}
	return fmt.Sprintf("%s, by %s", l.Replayed, l.ReplayedBy)
}

// Leases is how many were lost; "" for none.
func leases(lost int) string {
	if lost == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s", lost, plural(lost, "lease"))
}

func stateSince(p cli.Printer, t streams.TaskInfo) string {
	if t.State.Terminal() {
		return fmt.Sprintf("%s %s ago", t.State, p.Since(t.Since))
	}
	return fmt.Sprintf("%s for %s", t.State, p.Since(t.Since))
}

func progress(fraction float64, note string) string {
	text := fmt.Sprintf("%.0f%%", 100*fraction)
	if note != "" {
		text += " " + note
	}
	return text
}

func attemptList(p cli.Printer, attempts []streams.Attempt) cli.List[streams.Attempt] {
	return cli.List[streams.Attempt]{Items: attempts, Columns: []cli.Column[streams.Attempt]{
		{Title: "attempt", Cell: func(a streams.Attempt) string { return fmt.Sprint(a.Attempt) }, Right: true},
		{Title: "outcome", Cell: outcome, Paint: func(a streams.Attempt) cli.Color { return paint(tasks.State(outcome(a))) }},
		{Title: "worker", Cell: func(a streams.Attempt) string { return a.Worker }},
		{Title: "started", Cell: func(a streams.Attempt) string { return p.Since(value(a.Started)) }, Right: true},
		{Title: "took", Cell: took, Right: true},
		{Title: "error", Cell: func(a streams.Attempt) string { return cli.Clip(a.Error, 100) }},
	}}
}

func outcome(a streams.Attempt) string {
	if a.Outcome == "" {
		return string(tasks.Running)
	}
	return string(a.Outcome)
}

func took(a streams.Attempt) string {
	if a.Started == nil || a.Ended == nil {
		return ""
	}
	return cli.Took(a.Ended.Sub(*a.Started))
}

// AddStack shows the last stack: of a panic, or of a handler that was stuck.
func addStack(page *cli.Page, attempts []streams.Attempt) {
	for i := len(attempts) - 1; i >= 0; i-- {
		if attempts[i].Stack != "" {
			page.Text(fmt.Sprintf("STACK of attempt %d", attempts[i].Attempt), attempts[i].Stack)
			return
		}
	}
}
