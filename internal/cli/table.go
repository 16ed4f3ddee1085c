package cli

import (
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// A Color is a terminal's, by its number in the escape; zero is none.
type Color int

// The colours, each with one meaning.
const (
	Red    Color = 31 // lost
	Green  Color = 32 // done
	Yellow Color = 33 // needs a look
	Blue   Color = 34 // in work
)

// Paint colours text that is clean already.
func (c Color) paint(s string) string {
	if c == 0 || s == "" {
		return s
	}
	return text.Color(c).EscapeSeq() + s + text.Reset.EscapeSeq()
}

// Render returns the list as aligned columns without lines.
func (l List[T]) render(color bool) string {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	header := table.Row{}
	var configs []table.ColumnConfig
	for i, column := range l.Columns {
		header = append(header, column.Title)
		if column.Right {
			configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	t.AppendHeader(header)
	t.SetColumnConfigs(configs)
	for _, item := range l.Items {
		row := table.Row{}
		for _, column := range l.Columns {
			cell := Clean(column.Cell(item))
			if color && column.Paint != nil {
				cell = column.Paint(item).paint(cell)
			}
			row = append(row, cell)
		}
		t.AppendRow(row)
	}
	return t.Render() + "\n"
}
