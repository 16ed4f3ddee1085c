package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

// MaxProblems is how many problems are kept to be told at the end; more are
// counted.
const maxProblems = 1_000

// A report gathers what became of a file's lines. Its methods are safe for
// concurrent use.
type report struct {
	std     cli.Std
	printer cli.Printer
	started time.Time

	bar    *progressbar.ProgressBar // nil without a terminal
	atomic bool                     // all lines or none

	mu       sync.Mutex
	counts   counts
	problems []problem
	broken   error // of writing the output
}

// Counts is the summary of a file.
type counts struct {
	Published int       `json:"published"`
	Waiting   int       `json:"waiting"` // refused: a task of the id has not ended
	Bad       int       `json:"bad"`
	Failed    int       `json:"failed"`  // not confirmed by the server
	Skipped   int       `json:"skipped"` // read, and not tried after a failure
	TookMS    int64     `json:"took_ms"`
	PerSecond int64     `json:"per_second"` // published
	Problems  []problem `json:"problems"`
}

// A problem is a line that was not published.
type problem struct {
	Line  int    `json:"line"`
	ID    string `json:"id,omitempty"`
	Field string `json:"field,omitempty"`
	Error string `json:"error"`
}

func newReport(std cli.Std, printer cli.Printer, size int64, atomic bool) *report {
	r := &report{std: std, printer: printer, started: time.Now(), atomic: atomic}
	if !atomic && cli.Terminal(std.Err) {
		r.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(std.Err),
			progressbar.OptionSetDescription("publishing"), progressbar.OptionShowBytes(true),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	return r
}

// Read moves the progress bar.
func (r *report) read(bytes int) {
	if r.bar != nil {
		_ = r.bar.Add64(int64(bytes)) // only for the eye
	}
}

// Outcome takes in what became of a line.
func (r *report) outcome(o streams.BulkOutcome) {
	if o.Err != nil {
		r.refused(o.Tag, o.Receipt.ID, o.Err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Published++
	var err error
	switch r.printer.Format {
	case cli.Names:
		err = r.printer.Line(o.Receipt.ID)
	case cli.JSONL:
		err = r.printer.Value(struct {
			Line int `json:"line"`
			streams.Receipt
		}{o.Tag, o.Receipt})
	case cli.Table, cli.JSON:
	}
	if err != nil && r.broken == nil {
		r.broken = err
	}
}

// Refused takes in a line that was not published, and why.
func (r *report) refused(line int, id string, err error) {
	p := problem{Line: line, ID: id, Error: err.Error()}
	var invalid *tasks.InvalidError
	switch {
	case errors.As(err, &invalid):
		p.Field = invalid.Field
		r.problem(p, func(c *counts) { c.Bad++ })
	case errors.Is(err, streams.ErrWaiting):
		p.Field, p.Error = "id", "id: "+cli.Explain(err).Text
		r.problem(p, func(c *counts) { c.Waiting++ })
	case errors.Is(err, streams.ErrNotTried):
		r.problem(p, func(c *counts) { c.Skipped++ })
	case errors.Is(err, streams.ErrUnreachable): // all lines on their way meet it, so in short
		p.Error = streams.ErrUnreachable.Error() + "; it may have been stored"
		fallthrough
	default:
		r.problem(p, func(c *counts) { c.Failed++ })
	}
}

func (r *report) problem(p problem, count func(*counts)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	count(&r.counts)
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, p)
	}
	if r.printer.Format == cli.JSONL {
		if err := r.printer.Value(p); err != nil && r.broken == nil {
			r.broken = err
		}
	}
}

// Finish tells the problems and the counts, and returns what decides the exit
// code: why it ended early, else that lines were bad, else that ids waited. Last
// is the last line that was read.
func (r *report) finish(ended error, last int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bar != nil {
		_ = r.bar.Finish() // only for the eye
	}
	c := &r.counts
	took := time.Since(r.started)
	c.TookMS, c.PerSecond = took.Milliseconds(), int64(float64(c.Published)/took.Seconds())
	slices.SortFunc(r.problems, func(a, b problem) int { return a.Line - b.Line })
	c.Problems = append([]problem{}, r.problems...)
	r.tell()
	if more := c.Bad + c.Waiting + c.Failed + c.Skipped - len(r.problems); more > 0 {
		words(r.std, "and %d more lines", more)
	}
	if ended != nil {
		words(r.std, "lines after %d: not read", last)
	}
	if err := errors.Join(r.broken, r.summary()); err != nil {
		return err
	}
	return r.verdict(ended)
}

// Tell names the problems by their lines, and those of one kind that follow each
// other together.
func (r *report) tell() {
	for i := 0; i < len(r.problems); {
		first, last := r.problems[i], r.problems[i]
		for i++; i < len(r.problems) && r.problems[i].Error == first.Error && r.problems[i].Line == last.Line+1; i++ {
			last = r.problems[i]
		}
		if first.Line == last.Line {
			words(r.std, "line %d: %s", first.Line, first.Error)
		} else {
			words(r.std, "lines %d to %d: %s", first.Line, last.Line, first.Error)
		}
	}
}

func (r *report) summary() error {
	if r.printer.Format != cli.Table && r.printer.Format != cli.JSON {
		return nil
	}
	c := r.counts
	return cli.Object{Value: c, Page: func(p *cli.Page) {
		p.Field("published", fmt.Sprint(c.Published))
		p.Field("waiting", fmt.Sprint(c.Waiting))
		p.Field("bad", fmt.Sprint(c.Bad))
		if c.Failed+c.Skipped > 0 {
			p.Field("failed", fmt.Sprint(c.Failed))
			p.Field("skipped", fmt.Sprint(c.Skipped))
		}
		p.Field("took", cli.Took(time.Duration(c.TookMS)*time.Millisecond))
		p.Field("rate", fmt.Sprintf("%d tasks/s", c.PerSecond))
	}}.Print(r.printer)
}

func (r *report) verdict(ended error) error {
	c := r.counts
	switch {
	case errors.Is(ended, streams.ErrUnreachable):
		return &cli.Fault{
			Code: cli.Failed, Err: fmt.Errorf("stopped after %d tasks: %w", c.Published, streams.ErrUnreachable),
			Hint: "publish the lines named above and those after them once the server is back; of those not confirmed, what has no id of its own may run twice",
		}
	case errors.Is(ended, context.Canceled):
		return fmt.Errorf("interrupted after %d tasks", c.Published)
	case ended != nil:
		return cli.Advise(fmt.Errorf("stopped after %d tasks: %w", c.Published, ended), "publish the lines named above and those after them again")
	case r.atomic && c.Bad > 0:
		return &cli.Fault{
			Code: cli.Usage, Err: fmt.Errorf("nothing was published, for lines are bad: %d", c.Bad),
			Hint: "mend those lines; without --atomic they are left out; --force passes unknown types and payloads that do not fit",
		}
	case r.atomic && c.Waiting > 0:
		return &cli.Fault{
			Code: cli.Waiting, Err: errors.New("nothing was published, for a line has the id of a task that has not ended"),
			Hint: "without --atomic that line alone is left out",
		}
	case c.Bad > 0:
		return &cli.Fault{
			Code: cli.Usage, Err: fmt.Errorf("%d bad lines were left out, %d tasks were published", c.Bad, c.Published),
			Hint: "mend those lines and publish them alone; --force passes unknown types and payloads that do not fit",
		}
	case c.Waiting > 0:
		return &cli.Fault{
			Code: cli.Waiting, Err: fmt.Errorf("%d lines have the id of a task that has not ended, %d tasks were published", c.Waiting, c.Published),
		}
	}
	return nil
}
