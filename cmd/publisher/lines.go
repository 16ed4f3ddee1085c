package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"time"

	"sparkle/tasks"
)

// MaxLine bounds a line, in bytes: a payload and what stands around it.
const maxLine = tasks.MaxPayload + 64<<10

// A lineReader reads a file of tasks, a JSON object per line, with bounded
// memory: of a line that is too long, as much as the longest one may have.
type lineReader struct {
	in     *bufio.Reader
	long   []byte // a line beyond the buffer of in
	number int
	base   tasks.Task // gives what a line leaves out
	now    time.Time  // from which durations count
}

// A line is one of the file's.
type line struct {
	number int
	bytes  int
	task   tasks.Task
	err    error // a *tasks.InvalidError that names the field
}

func newLineReader(in io.Reader, base tasks.Task) *lineReader {
	return &lineReader{in: bufio.NewReaderSize(in, 256<<10), base: base, now: time.Now()}
}

// Next returns the next line that is not blank, or io.EOF, or why the file
// cannot be read.
func (r *lineReader) next() (line, error) {
	for {
		text, size, err := r.read()
		if size == 0 {
			return line{}, err
		}
		l := line{number: r.number, bytes: size}
		if size > maxLine {
			l.err = &tasks.InvalidError{Field: "line", Want: "longer than a task can be"}
			return l, nil
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			l.task, l.err = parseLine(text, r.base, r.now)
			return l, nil
		}
		if err != nil {
			return line{}, err
		}
	}
}

// Read returns a line and its size in bytes; of one longer than maxLine the text
// is no use.
func (r *lineReader) read() (text []byte, size int, err error) {
	text, err = r.in.ReadSlice('\n')
	size = len(text)
	r.long = r.long[:0]
	for errors.Is(err, bufio.ErrBufferFull) {
		r.long = append(r.long, text...)
		text, err = r.in.ReadSlice('\n')
		if size += len(text); size > maxLine {
			r.long = r.long[:0]
		}
	}
	if len(r.long) > 0 {
		r.long = append(r.long, text...)
		text = r.long
	}
	if r.number++; r.number == 1 {
		text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")) // what editors begin UTF-8 with
	}
	return text, size, err
}
