package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sparkle/internal/cli"
	"sparkle/streams"
)

// MaxProblems is how many problems a command with many tells in words; more are
// counted.
const maxProblems = 100

// A replayReport gathers what became of many letters.
type replayReport struct {
	session *session
	printer cli.Printer
	started time.Time
	counts  replayCounts
	told    int
	broken  error // of writing the output
}

type replayCounts struct {
	Replayed int   `json:"replayed"`
	Waiting  int   `json:"waiting"` // another run of the id has not ended
	Invalid  int   `json:"invalid"` // the payload is refused
	Failed   int   `json:"failed"`
	Gone     int   `json:"gone"` // another has replayed or removed it
	TookMS   int64 `json:"took_ms"`
}

func (r *replayReport) add(result streams.ReplayResult) {
	c := &r.counts
	switch result.Outcome {
	case streams.Replayed:
		c.Replayed++
	case streams.StillWaiting:
		c.Waiting++
	case streams.BadPayload:
		c.Invalid++
	case streams.NotReplayed:
		c.Failed++
	case streams.Gone:
		c.Gone++
	}
	if result.Outcome == streams.Replayed || r.printer.Format == cli.JSONL {
		r.broken = errors.Join(r.broken, printOne(r.printer, result.ID, result))
	}
	if result.Err == nil || result.Outcome == streams.Gone {
		return
	}
	if r.told++; r.told <= maxProblems {
		r.session.say("%s: %s", result.ID, cli.Explain(result.Err).Text)
	}
}

// Finish prints the counts and returns what decides the exit code: why it ended
// early, else that payloads were refused, else that ids were taken.
func (r *replayReport) finish(ended error) error {
	c := &r.counts
	c.TookMS = time.Since(r.started).Milliseconds()
	if more := r.told - maxProblems; more > 0 {
		r.session.say("and %d more letters", more)
	}
	fields := []field{
		{"replayed", c.Replayed}, {"waiting", c.Waiting}, {"invalid", c.Invalid}, {"failed", c.Failed}, {"gone", c.Gone},
	}
	if err := errors.Join(r.broken, printCounts(r.session, *c, fields...)); err != nil {
		return err
	}
	switch {
	case errors.Is(ended, context.Canceled):
		return fmt.Errorf("interrupted after %d letters were replayed; the others are still there", c.Replayed)
	case ended != nil:
		return cli.Advise(fmt.Errorf("stopped after %d letters were replayed: %w", c.Replayed, ended), "the others are still there; replay them again")
	case c.Invalid > 0:
		return &cli.Fault{
			Code: cli.Usage, Err: fmt.Errorf("the payloads of %d letters are refused, %d letters were replayed", c.Invalid, c.Replayed),
			Hint: "they are still there; change them with --set or --unset, or pass them with --unchecked",
		}
	case c.Waiting > 0:
		return &cli.Fault{
			Code: cli.Waiting, Err: fmt.Errorf("%d letters have the id of a task that has not ended, %d letters were replayed", c.Waiting, c.Replayed),
			Hint: "they are still there; replay them when those tasks have ended",
		}
	}
	return nil
}
