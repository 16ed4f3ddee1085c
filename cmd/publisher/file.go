package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"sparkle/internal/cli"
	"sparkle/streams"
	"sparkle/tasks"
)

// RunFile publishes the lines of --jsonl. Bad lines do not stop the good ones,
// but for those of --atomic.
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
	report := newReport(std, f.Printer(std), size, f.Atomic)
	load := &load{publisher: publisher, report: report, lines: newLineReader(in, base)}
	if f.Atomic {
		return load.batch(ctx)
	}
	return load.bulk(ctx)
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
	lines     *lineReader
	unread    error // why the file could not be read to its end
}

// Bulk publishes the lines as they are read.
func (l *load) bulk(ctx context.Context) error {
	_, err := l.publisher.Bulk(ctx, streams.BulkOptions{Outcome: l.report.outcome}, l.good())
	if err == nil {
		err = l.unread
	}
	return l.report.finish(err, l.lines.number)
}

// Good gives the tasks of the lines that can be read, and reports the others.
func (l *load) good() iter.Seq[streams.BulkTask] {
	return func(yield func(streams.BulkTask) bool) {
		for {
			next, err := l.lines.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				l.unread = fmt.Errorf("read --jsonl after line %d: %w", l.lines.number-1, err)
				return
			}
			l.report.read(next.bytes)
			if next.err != nil {
				l.report.refused(next.number, next.task.ID, next.err)
			} else if !yield(streams.BulkTask{Tag: next.number, Task: next.task}) {
				return
			}
		}
	}
}

// Batch publishes all lines together, or none when one of them cannot be.
func (l *load) batch(ctx context.Context) error {
	var (
		batch   []tasks.Task
		numbers []int
		first   = map[string]int{} // id → its line
	)
	for item := range l.good() {
		if len(batch) == streams.MaxBatch {
			return cli.Misuse("--atomic: more than %d tasks; leave it out to publish a longer file", streams.MaxBatch)
		}
		if id := item.Task.ID; id != "" {
			if line, twice := first[id]; twice {
				l.report.refused(item.Tag, id, &tasks.InvalidError{Field: "id", Want: fmt.Sprintf("line %d has it too", line)})
				continue
			}
			first[id] = item.Tag
		}
		batch, numbers = append(batch, item.Task), append(numbers, item.Tag)
	}
	if l.unread != nil || l.report.counts.Bad > 0 || len(batch) == 0 {
		return l.report.finish(l.unread, l.lines.number)
	}
	receipts, err := l.publisher.PublishBatch(ctx, batch)
	var refused *streams.BatchError
	switch {
	case errors.As(err, &refused):
		l.report.refused(numbers[refused.Index], refused.ID, refused.Err)
	case err != nil:
		return err
	}
	for i, receipt := range receipts {
		l.report.outcome(streams.BulkOutcome{Tag: numbers[i], Receipt: receipt})
	}
	return l.report.finish(nil, l.lines.number)
}
