package streams

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"sparkle/tasks"
)

// A TaskInfo is what is known of one run of a task.
type TaskInfo struct {
	ID       string          `json:"id"`
	Run      string          `json:"run"`
	Type     string          `json:"type"`
	Priority tasks.Priority  `json:"priority"`
	Pool     string          `json:"pool"`
	User     string          `json:"user,omitempty"`
	State    tasks.State     `json:"state"`
	Reason   tasks.Reason    `json:"reason,omitempty"`
	Error    string          `json:"error,omitempty"`
	By       string          `json:"by,omitempty"`      // who cancelled it
	Note     string          `json:"note,omitempty"`    // why it was cancelled
	Due      *time.Time      `json:"due,omitempty"`     // when scheduled, retrying or parked
	Since    time.Time       `json:"since"`             // when it came into its state
	Lost     int             `json:"lost,omitempty"`    // leases that were neither settled nor handed back
	Attempts []Attempt       `json:"attempts"`          // oldest first
	Progress *Progress       `json:"progress"`          // null when it told none
	Payload  json.RawMessage `json:"payload,omitempty"` // while it has not ended
	Result   json.RawMessage `json:"result"`            // null when it has none
}

// Progress is what a handler last told of its progress.
type Progress struct {
	Fraction float64 `json:"fraction"`
	Note     string  `json:"note,omitempty"`
}

// Task returns what is known of the current run of a task, or [ErrNotFound].
func (c *Client) Task(ctx context.Context, id string) (TaskInfo, error) {
	events, err := c.Events(ctx, id)
	if err != nil {
		return TaskInfo{}, err
	}
	living, err := c.leaderLast(ctx, "TASKS", c.ns.Anywhere(id))
	found := err == nil
	if err != nil && !errors.Is(err, errNoMessage) {
		return TaskInfo{}, wrap("look up", id, err)
	}
	switch {
	case found:
		return c.livingTask(living, events), nil
	case len(events) > 0:
		return endedTask(events), nil
	default:
		return TaskInfo{}, fmt.Errorf("task %s: %w", id, ErrNotFound)
	}
}

func (c *Client) livingTask(s stored, events []Event) TaskInfo {
	e, _ := c.ns.open(s)
	info := TaskInfo{
		ID: e.ID, Run: e.run, Type: e.Type, Priority: e.Priority, Pool: e.Pool, User: e.User,
		State: tasks.Waiting, Since: s.time,
	}
	if json.Valid(s.data) {
		info.Payload = s.data
	}
	last := info.takeEvents(events)
	if a, err := c.ns.parse(s.subject); err == nil && a.place == "later" {
		info.State, info.Due = tasks.Scheduled, &e.At
		if last.State == tasks.Retrying || last.State == tasks.Parked {
			info.State = last.State
		}
		return info
	}
	if last.Sequence == s.sequence && last.State != tasks.Scheduled {
		info.State, info.Since = last.State, last.Time
	}
	return info
}

// EndedTask tells of the run that the last event is of.
func endedTask(events []Event) TaskInfo {
	last := events[len(events)-1]
	for _, e := range events {
		if e.Run == last.Run && e.State.Terminal() {
			last = e
			break
		}
	}
	info := TaskInfo{
		ID: last.ID, Run: last.Run, Type: last.Type, Priority: last.Priority, Pool: last.Pool, User: last.User,
		State: last.State, Since: last.Time,
	}
	info.takeEvents(events)
	return info
}

// TakeEvents fills in what the events of the run tell, and returns the last.
func (t *TaskInfo) takeEvents(events []Event) Event {
	var last Event
	for _, e := range events {
		if e.Run != t.Run || last.State.Terminal() {
			continue
		}
		if e.State == tasks.Running && (e.Detail.Fraction > 0 || e.Detail.Note != "") {
			t.Progress = &Progress{Fraction: e.Detail.Fraction, Note: e.Detail.Note}
		}
		last = e
	}
	t.Attempts = attempts(events, t.Run)
	if t.Attempts == nil {
		t.Attempts = []Attempt{}
	}
	t.Reason, t.Error, t.Lost, t.By = last.Reason, last.Detail.Error, last.Lost, last.By
	if last.State == tasks.Cancelled {
		t.Note = last.Detail.Note
	}
	if json.Valid(last.Result) { // anybody can publish an event
		t.Result = last.Result
	}
	return last
}

// A ListFilter selects tasks; zero fields select all.
type ListFilter struct {
	State    tasks.State
	Type     string
	Priority tasks.Priority
	Pool     string
	User     string
	// Prefix is how the ids begin.
	Prefix string
	// Since leaves out what came into its state earlier.
	Since time.Time
	// Limit bounds the answer. Default 100.
	Limit int
}

func (f ListFilter) takes(t TaskInfo) bool {
	return (f.State == "" || f.State == t.State) && (f.Type == "" || f.Type == t.Type) &&
		(f.Priority == "" || f.Priority == t.Priority) && (f.Pool == "" || f.Pool == t.Pool) &&
		strings.HasPrefix(t.ID, f.Prefix) && (f.User == "" || f.User == t.User) &&
		!t.Since.Before(f.Since)
}

// Tasks lists tasks that have not ended, oldest first, then those that have,
// without attempts. It reads the streams from their beginning, so on a large
// history it takes time; Limit ends it early.
func (c *Client) Tasks(ctx context.Context, f ListFilter) ([]TaskInfo, error) {
	f.Limit = cmp.Or(f.Limit, 100)
	list := []TaskInfo{}
	living := map[string]bool{}
	err := c.each(ctx, "TASKS", c.ns.subject("tasks", "*", "*", "*", "*", "*"), func(s stored) bool {
		id := s.subject
		_, id = lastTwo(id)
		living[id] = true
		info, err := c.briefTask(ctx, s)
		if err == nil && f.takes(info) {
			list = append(list, info)
		}
		return len(list) < f.Limit && ctx.Err() == nil
	})
	if err != nil || (f.State != "" && !f.State.Terminal()) || len(list) >= f.Limit {
		return list, err
	}
	return c.endedTasks(ctx, f, list, living)
}

func (c *Client) briefTask(ctx context.Context, s stored) (TaskInfo, error) {
	e, err := c.ns.open(s)
	if err != nil {
		return TaskInfo{}, err
	}
	last, err := c.leaderLast(ctx, "EVENTS", c.ns.Event(e.Type, e.ID))
	if errors.Is(err, errNoMessage) {
		return c.livingTask(s, nil), nil
	}
	if err != nil {
		return TaskInfo{}, err
	}
	return c.livingTask(s, []Event{parseEvent(last)}), nil
}

// EndedTasks adds the tasks whose last event is terminal. Ids end in the order
// of their last events, so only the last event of an id is kept on the way.
func (c *Client) endedTasks(ctx context.Context, f ListFilter, list []TaskInfo, living map[string]bool) ([]TaskInfo, error) {
	room := f.Limit - len(list)
	var ended []TaskInfo
	place := map[string]int{}
	typ := cmp.Or(f.Type, "*")
	err := c.each(ctx, "EVENTS", c.ns.Event(typ, "*"), func(s stored) bool {
		e := parseEvent(s)
		if !e.State.Terminal() || living[e.ID] {
			return ctx.Err() == nil
		}
		info := endedTask([]Event{e})
		if !f.takes(info) {
			return ctx.Err() == nil
		}
		if i, seen := place[e.ID]; seen {
			if ended[i].Run != info.Run { // else it had ended before
				ended[i] = info
			}
			return true
		}
		place[e.ID] = len(ended)
		ended = append(ended, info)
		if len(ended) > 4*room { // keep the newest
			ended, place = newest(ended, room)
		}
		return ctx.Err() == nil
	})
	ended, _ = newest(ended, room)
	return append(list, ended...), err
}

func newest(list []TaskInfo, n int) ([]TaskInfo, map[string]int) {
	if len(list) > n {
		list = append([]TaskInfo(nil), list[len(list)-n:]...)
	}
	place := make(map[string]int, len(list))
	for i, t := range list {
		place[t.ID] = i
	}
	return list, place
}
