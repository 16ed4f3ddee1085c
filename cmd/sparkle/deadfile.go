package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

type deadExport struct {
	ID string `arg:"" optional:"" help:"Only the letters of this task."`
	deadFilter
	Out   string `default:"-" placeholder:"FILE|-" help:"The file to write, which appears when it is complete; - is standard output."`
	Force bool   `short:"f" help:"Let --out replace a file."`
}

// Run writes dead letters as lines of JSON; kong calls it.
func (c *deadExport) Run(ctx context.Context, s *session) error {
	filter, err := c.filter(c.ID)
	if err != nil {
		return err
	}
	if _, err := os.Stat(c.Out); err == nil && c.Out != "-" && !c.Force {
		return &cli.Fault{Code: cli.Failed, Err: fmt.Errorf("write the letters: %s exists", c.Out), Hint: "--force replaces it"}
	}
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	if c.Out == "-" {
		n, err := export(ctx, s, client, filter, s.std)
		s.noteEmpty(n, "no dead letter matches")
		return err
	}
	n, err := c.toFile(ctx, s, client, filter)
	if err != nil {
		return fmt.Errorf("write the letters: %w", err)
	}
	s.say("wrote %d dead letters to %s", n, c.Out)
	return nil
}

// ToFile writes beside the file first, so that a broken export leaves none that
// looks complete.
func (c *deadExport) toFile(ctx context.Context, s *session, client *streams.Client, filter streams.DeadFilter) (int, error) {
	part := c.Out + ".part"
	file, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	buffered := bufio.NewWriter(file)
	std := s.std
	std.Out = buffered
	n, err := export(ctx, s, client, filter, std)
	if err = errors.Join(err, buffered.Flush(), file.Sync(), file.Close()); err != nil {
		return n, errors.Join(err, os.Remove(part))
	}
	return n, os.Rename(part, c.Out)
}

func export(ctx context.Context, s *session, client *streams.Client, filter streams.DeadFilter, std cli.Std) (int, error) {
	p := cli.Output{Output: cli.JSONL}.Printer(std)
	var broken error
	n, err := countDead(ctx, client, filter, func(d streams.DeadLetter) {
		if broken == nil {
			broken = whole(ctx, s, client, &d)
		}
		if broken == nil {
			broken = p.Value(d)
		}
	})
	return n, errors.Join(broken, err)
}

// Whole gives a letter the payload that an import needs. What cannot be read is
// exported as it stands.
func whole(ctx context.Context, s *session, client *streams.Client, d *streams.DeadLetter) error {
	var unreadable *streams.UnreadableError
	err := client.LoadDead(ctx, d)
	if errors.As(err, &unreadable) {
		s.say("%s: its payload %v", d.ID, err)
		d.Raw, err = d.Body.Data, nil
	}
	if len(d.Raw) > 0 {
		d.Payload = nil // only for reading
	}
	return err
}

type deadImport struct {
	File   string `arg:"" placeholder:"FILE|-" help:"A file that sparkle dead export wrote; - is standard input."`
	DryRun bool   `help:"Change nothing; check the lines and print how many there are."`
}

type importCounts struct {
	Imported int   `json:"imported"`
	Skipped  int   `json:"skipped"` // there already
	Bad      int   `json:"bad"`
	TookMS   int64 `json:"took_ms"`
}

// Run stores the letters of a file again; kong calls it.
func (c *deadImport) Run(ctx context.Context, s *session) error {
	in := io.NopCloser(s.std.In)
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return &cli.Fault{Code: cli.Usage, Err: fmt.Errorf("read the letters: %w", err)}
		}
		in = file
	}
	defer func() { _ = in.Close() }() // it was only read
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	started := time.Now()
	counts := importCounts{}
	ended := c.lines(ctx, s, client, in, &counts)
	counts.TookMS = time.Since(started).Milliseconds()
	fields := []field{{"imported", counts.Imported}, {"skipped", counts.Skipped}, {"bad", counts.Bad}}
	if c.DryRun {
		fields[0].label = "matching"
	}
	if err := printCounts(s, counts, fields...); err != nil {
		return err
	}
	switch {
	case ended != nil:
		return cli.Advise(fmt.Errorf("stopped after %d letters were imported: %w", counts.Imported, ended), "import the file again; what is there is left as it is")
	case counts.Bad > 0:
		return &cli.Fault{Code: cli.Usage, Err: fmt.Errorf("%d bad lines were left out, %d letters were imported", counts.Bad, counts.Imported)}
	}
	return nil
}

// Lines imports line by line. A bad line does not stop the good ones, but one
// that is too long does: where the next begins is not known then.
func (c *deadImport) lines(ctx context.Context, s *session, client *streams.Client, in io.Reader, counts *importCounts) error {
	scan := bufio.NewScanner(in)
	scan.Buffer(make([]byte, 0, 64<<10), streams.MaxDeadLine+1)
	for number := 1; scan.Scan() && ctx.Err() == nil; number++ {
		if len(bytes.TrimSpace(scan.Bytes())) == 0 {
			continue
		}
		err := c.line(ctx, s, client, scan.Bytes(), counts)
		if invalid := (*tasks.InvalidError)(nil); errors.As(err, &invalid) {
			if counts.Bad++; counts.Bad <= maxProblems {
				s.say("line %d: %v", number, err)
			}
		} else if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	switch err := scan.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("a line is longer than a dead letter can be, %d bytes", streams.MaxDeadLine)
	case err != nil:
		return fmt.Errorf("read the letters: %w", err)
	}
	return context.Cause(ctx)
}

func (c *deadImport) line(ctx context.Context, s *session, client *streams.Client, text []byte, counts *importCounts) error {
	letter, err := streams.DecodeDead(text)
	if err != nil {
		return err
	}
	stored := c.DryRun
	if !c.DryRun {
		if stored, err = client.ImportDead(ctx, letter); err != nil {
			return err
		}
	}
	if !stored {
		counts.Skipped++
		return nil
	}
	counts.Imported++
	return printOne(s.printer(), letter.ID, letterName{ID: letter.ID, Run: letter.Run, Type: letter.Type})
}
