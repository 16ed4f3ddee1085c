package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// A Page is one thing's details for people: fields, then tables and texts. Every
// text it takes is cleaned.
type Page struct {
	printer Printer
	out     bytes.Buffer
}

const labelWidth = 10

// Field adds a line with a label; a field without text is left out.
func (p *Page) Field(label, text string) { p.Painted(label, text, 0) }

// Painted adds a field in a colour.
func (p *Page) Painted(label, text string, color Color) {
	if text == "" {
		return
	}
	text = Clean(text)
	if p.printer.color {
		text = color.paint(text)
	}
	_, _ = fmt.Fprintf(&p.out, "%-*s %s\n", labelWidth, label, text)
}

// Text adds a block of lines under a title; an empty one is left out.
func (p *Page) Text(title, text string) {
	if text == "" {
		return
	}
	_, _ = fmt.Fprintf(&p.out, "\n%s\n", title)
	for _, line := range CleanLines(text) {
		_, _ = fmt.Fprintf(&p.out, "  %s\n", line)
	}
}

// JSON adds a value as an indented block under a title; null is left out.
func (p *Page) JSON(title string, value []byte) {
	if len(value) == 0 || string(value) == "null" {
		return
	}
	var indented bytes.Buffer
	if json.Indent(&indented, value, "", "  ") != nil {
		p.Text(title, string(value))
		return
	}
	p.Text(title, string(escapeJSON(indented.Bytes())))
}

// Since prints how long ago t was; "" for no time.
func (p *Page) Since(t time.Time) string { return p.printer.Since(t) }

// AddList adds a table; an empty one is left out.
func AddList[T any](p *Page, l List[T]) {
	if len(l.Items) == 0 {
		return
	}
	p.out.WriteByte('\n')
	p.out.WriteString(l.render(p.printer.color))
}

// Line adds a line.
func (p *Page) Line(text string) { p.out.WriteString(Clean(text) + "\n") }
