package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

type taskTail struct {
	ID string `arg:"" help:"The task's id."`
}

// Run follows the events of the task's current run; kong calls it.
func (c *taskTail) Run(ctx context.Context, s *session) error {
	client, t, err := s.find(ctx, c.ID)
	if err != nil {
		return err
	}
	p := s.printer()
	if t.State == tasks.Waiting || t.State == tasks.Scheduled {
		s.say("task %s is %s in %s-%s; its events follow", t.ID, t.State, t.Priority, t.Pool)
	}
	var printed error
	err = client.Follow(ctx, c.ID, func(e streams.Event) bool {
		if e.Run != t.Run {
			return true
		}
		printed = printEvent(p, e)
		return printed == nil && !e.State.Terminal()
	})
	if printed != nil {
		return printed
	}
	return err
}

// An eventView is an event as JSON.
type eventView struct {
	Time     time.Time       `json:"time"`
	ID       string          `json:"id"`
	Run      string          `json:"run"`
	Type     string          `json:"type"`
	State    tasks.State     `json:"state"`
	Attempt  int             `json:"attempt"`
	Worker   string          `json:"worker,omitempty"`
	Progress *progressView   `json:"progress,omitempty"`
	Due      *time.Time      `json:"due,omitempty"`
	Reason   tasks.Reason    `json:"reason,omitempty"`
	Error    string          `json:"error,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	Body     *streams.Body   `json:"result_body,omitempty"` // how the result is carried; task result prints it
}

type progressView struct {
	Fraction float64 `json:"fraction"`
	Note     string  `json:"note,omitempty"`
}

func viewEvent(e streams.Event) eventView {
	v := eventView{
		Time: e.Time, ID: e.ID, Run: e.Run, Type: e.Type, State: e.State, Attempt: e.Attempt,
		Worker: e.Worker, Reason: e.Reason, Error: e.Detail.Error, Result: printable(e.Result), Body: e.Body,
	}
	if !e.At.IsZero() {
		v.Due = &e.At
	}
	if e.Detail.Fraction > 0 || e.Detail.Note != "" {
		v.Progress = &progressView{e.Detail.Fraction, e.Detail.Note}
	}
	return v
}

// PrintEvent prints an event at once, on a line of its own.
func printEvent(p cli.Printer, e streams.Event) error {
	switch p.Format {
	case cli.JSON, cli.JSONL:
		p.Format = cli.JSONL // an event a line, since there is no end to wait for
		return p.Value(viewEvent(e))
	case cli.Names:
		return p.Line(string(e.State))
	default:
		line := fmt.Sprintf("%s  %-9s  attempt %d  %s", e.Time.Local().Format("15:04:05.000"), e.State, e.Attempt, e.Worker)
		if detail := eventDetail(p, e); detail != "" {
			line += "  " + detail
		}
		return p.Line(line)
	}
}

func eventDetail(p cli.Printer, e streams.Event) string {
	switch {
	case e.State == tasks.Succeeded && e.Body != nil:
		return bodyText(e.Body)
	case e.State == tasks.Succeeded:
		return cli.Clip(string(e.Result), 100)
	case e.Detail.Error != "" && !e.At.IsZero():
		return fmt.Sprintf("%s; again %s", e.Detail.Error, p.Until(e.At))
	case e.Detail.Error != "":
		return e.Detail.Error
	case !e.At.IsZero():
		return "again " + p.Until(e.At)
	case e.Detail.Fraction > 0 || e.Detail.Note != "":
		return progress(e.Detail.Fraction, e.Detail.Note)
	default:
		return ""
	}
}
