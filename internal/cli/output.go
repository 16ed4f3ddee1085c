package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// A Format is how data is printed.
type Format string

// The formats.
const (
	Table Format = "table" // for people
	JSON  Format = "json"  // one indented value
	JSONL Format = "jsonl" // a value per line
	Names Format = "name"  // ids or names alone, one per line
)

// Output is the flag that chooses the format; embed it in a grammar.
type Output struct {
	Output Format `short:"o" enum:"table,json,jsonl,name" default:"table" placeholder:"FORMAT" group:"settings" help:"How data is printed: ${enum}."`
}

// Printer returns what prints data on std.Out in the chosen format.
func (o Output) Printer(std Std) Printer {
	return Printer{Format: o.Output, out: std.Out, color: colorful(std, std.Out), now: time.Now()}
}

// A Printer prints data in one format.
type Printer struct {
	Format Format
	out    io.Writer
	color  bool
	now    time.Time
}

// Since prints how long ago t was; "" for no time.
func (p Printer) Since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return Age(p.now.Sub(t))
}

// Until prints when t will be: "in 3m", or "now" once it is there.
func (p Printer) Until(t time.Time) string {
	if d := p.now.Sub(t); d > -time.Second {
		return "now"
	}
	return p.Since(t)
}

// Value prints v as JSON: indented, or on one line where the format is jsonl.
func (p Printer) Value(v any) error {
	var data bytes.Buffer
	encoder := json.NewEncoder(&data)
	encoder.SetEscapeHTML(false)
	if p.Format != JSONL {
		encoder.SetIndent("", "  ")
	}
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("print as JSON: %w", err)
	}
	return p.write(escapeJSON(data.Bytes()))
}

// Line prints one line of text, cleaned.
func (p Printer) Line(text string) error { return p.write([]byte(Clean(text) + "\n")) }

func (p Printer) write(data []byte) error {
	if _, err := p.out.Write(data); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}

// An Object is one thing to print.
type Object struct {
	Value any    // as JSON
	Name  string // with -o name
	Page  func(*Page)
}

// Print prints o.
func (o Object) Print(p Printer) error {
	switch p.Format {
	case JSON, JSONL:
		return p.Value(o.Value)
	case Names:
		return p.Line(o.Name)
	default:
		page := &Page{printer: p}
		o.Page(page)
		return p.write(page.out.Bytes())
	}
}
