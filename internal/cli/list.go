package cli

// A List is things of one kind to print.
type List[T any] struct {
	Items   []T
	Name    func(T) string // with -o name
	Columns []Column[T]    // with -o table
}

// A Column is one of a table.
type Column[T any] struct {
	Title string
	Cell  func(T) string
	Paint func(T) Color // default: none
	Right bool          // aligned, as numbers are
}

// Print prints l. An empty list prints as [] and else as nothing.
func (l List[T]) Print(p Printer) error {
	switch p.Format {
	case JSON:
		if l.Items == nil {
			l.Items = []T{}
		}
		return p.Value(l.Items)
	case JSONL:
		return l.each(func(item T) error { return p.Value(item) })
	case Names:
		return l.each(func(item T) error { return p.Line(l.Name(item)) })
	default:
		if len(l.Items) == 0 {
			return nil
		}
		return p.write([]byte(l.render(p.color)))
	}
}

func (l List[T]) each(fn func(T) error) error {
	for _, item := range l.Items {
		if err := fn(item); err != nil {
			return err
		}
	}
	return nil
}
