package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

type taskResult struct {
	ID    string `arg:"" help:"The task's id."`
	Out   string `placeholder:"FILE|-" help:"Write the picture that the result names by its visualization_id to this file; - is standard output, in place of the result."`
	Force bool   `help:"Let --out replace a file."`
}

// Run prints a result; kong calls it.
func (c *taskResult) Run(ctx context.Context, s *session) error {
	client, t, err := s.find(ctx, c.ID)
	if err != nil {
		return err
	}
	if err := succeeded(t); err != nil {
		return err
	}
	if c.Out != "" {
		if err := c.fetch(ctx, s, client, t); err != nil || c.Out == "-" {
			return err
		}
	}
	return printResult(s.printer(), t.ID, t.Result)
}

func succeeded(t streams.TaskInfo) error {
	switch {
	case t.State == tasks.Succeeded && t.Unreadable != "":
		return fmt.Errorf("read the result of task %s: %s", t.ID, t.Unreadable)
	case t.State == tasks.Succeeded:
		return nil
	case t.State.Terminal():
		return &streams.FailedError{Result: streams.Result{ID: t.ID, Run: t.Run, Type: t.Type, State: t.State, Reason: t.Reason, Error: t.Error}}
	default:
		return &cli.Fault{
			Code: cli.NotFound, Err: fmt.Errorf("task %s has no result yet: it is %s", t.ID, t.State),
			Hint: "wait for it with: sparkle task await " + t.ID,
		}
	}
}

// Fetch writes the picture of a result.
func (c *taskResult) fetch(ctx context.Context, s *session, client *streams.Client, t streams.TaskInfo) error {
	var result struct {
		Picture string `json:"visualization_id"`
	}
	if json.Unmarshal(t.Result, &result) != nil || result.Picture == "" {
		return &cli.Fault{Code: cli.NotFound, Err: fmt.Errorf("result of task %s (%s) names no picture", t.ID, t.Type), Hint: "leave out --out"}
	}
	data, contentType, err := client.Get(ctx, result.Picture)
	if err != nil {
		return err
	}
	if c.Out == "-" {
		_, err := s.std.Out.Write(data)
		return err
	}
	if err := c.write(data); err != nil {
		return err
	}
	s.say("wrote %s: %d bytes of %s", c.Out, len(data), contentType)
	return nil
}

func (c *taskResult) write(data []byte) error {
	mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if c.Force {
		mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	file, err := os.OpenFile(c.Out, mode, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return &cli.Fault{Code: cli.Failed, Err: fmt.Errorf("write the picture: %s exists", c.Out), Hint: "--force replaces it"}
	}
	if err != nil {
		return fmt.Errorf("write the picture: %w", err)
	}
	_, err = file.Write(data)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write the picture: %w", err)
	}
	return nil
}
