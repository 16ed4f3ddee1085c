package main

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"sync"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

const (
	// InFlight is how many publishes of a file wait for their answer at a time.
	inFlight = 64
	// InFlightLarge is how many lines above LargeLine bytes are held at a time,
	// so that a file of large payloads does not fill the memory.
	inFlightLarge = 4
	largeLine     = 512 << 10
)

// RunFile publishes the lines of --jsonl. Bad lines do not stop the good ones.
func (f *flags) runFile(ctx context.Context, std cli.Std, base tasks.Task) error {
	switch {
	case f.Payload != "":
		return cli.Misuse("--jsonl: the lines have the payloads; leave out %q", cli.Clip(f.Payload, 40))
	case f.ID != "":
		return cli.Misuse("--jsonl: the lines have the ids; leave out --id")
	case f.Wait:
		return cli.Misuse("--jsonl: --wait is for one task; print ids with -o name and wait for each: sparkle task await ID")
	}
	in, size, err := f.open(std)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	publisher, nc, err := f.publisher(ctx, std)
	if err != nil {
		return err
	}
	defer nc.Close()
	report := newReport(std, f.Printer(std), size)
	load := &load{publisher: publisher, report: report, check: f.check, large: make(chan struct{}, inFlightLarge)}
	lines := newLineReader(in, base)
	return report.finish(load.run(ctx, lines), lines.number)
}

// Open opens the file and tells its size, -1 where that is not known.
func (f *flags) open(std cli.Std) (io.ReadCloser, int64, error) {
	if f.JSONL == "-" {
		return io.NopCloser(std.In), -1, nil
	}
	file, err := os.Open(f.JSONL)
	if err != nil {
		return nil, 0, &cli.Fault{Code: cli.Usage, Err: fmt.Errorf("read --jsonl: %w", err)}
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return file, -1, nil //nolint:nilerr // the size is for the progress bar alone
	}
	return file, info.Size(), nil
}

// A load publishes the lines of a file.
type load struct {
	publisher *streams.Publisher
	report    *report
	check     func(tasks.Task) error
	large     chan struct{} // has an element for each large line in flight
}

// Run publishes line by line until the file ends, ctx is done, or the server
// takes no more. It returns why it ended early.
func (l *load) run(ctx context.Context, lines *lineReader) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	lanes := make([]chan line, inFlight)
	var publishing sync.WaitGroup
	for i := range lanes {
		lane := make(chan line, 1)
		lanes[i] = lane
		publishing.Go(func() {
			for line := range lane {
				if ctx.Err() != nil {
					l.report.skipped(line)
				} else if err := l.publish(ctx, line); err != nil {
					stop(err)
				}
				if line.bytes > largeLine {
					<-l.large
				}
			}
		})
	}
	err := l.feed(ctx, lines, lanes)
	for _, lane := range lanes {
		close(lane)
	}
	publishing.Wait()
	if err == nil {
		err = context.Cause(ctx)
	}
	return err
}

// Feed spreads the lines over the lanes. Lines of one id share a lane, so that
// of two the earlier one is published first.
func (l *load) feed(ctx context.Context, lines *lineReader, lanes []chan line) error {
	seed := maphash.MakeSeed()
	for ctx.Err() == nil {
		next, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read --jsonl after line %d: %w", lines.number-1, err)
		}
		if next.err == nil {
			next.err = l.check(next.task)
		}
		if next.err != nil {
			l.report.bad(next)
			continue
		}
		lane := next.number
		if next.task.ID != "" {
			lane = int(maphash.String(seed, next.task.ID) % inFlight)
		}
		if next.bytes > largeLine {
			l.large <- struct{}{} // the lanes give it back
		}
		lanes[lane%inFlight] <- next
	}
	return nil
}

// Publish publishes one line and returns an error that would meet all others
// too: a full queue, a server that is away. What is on its way is awaited also
// after an interrupt, so that its end is known.
func (l *load) publish(ctx context.Context, next line) error {
	receipt, err := l.publisher.Publish(context.WithoutCancel(ctx), next.task)
	switch {
	case err == nil:
		l.report.published(next, receipt)
	case errors.Is(err, streams.ErrWaiting):
		l.report.waiting(next, err)
	case cli.Explain(err).Code == cli.Usage:
		next.err = err
		l.report.bad(next)
	default:
		l.report.failed(next, err)
		return err
	}
	return nil
}
