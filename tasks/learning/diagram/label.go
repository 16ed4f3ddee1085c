package diagram

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// A block is wrapped text with its size in pixels.
type block struct {
	lines         []string
	width, height float64
}

// Sizes of text, in pixels; widths of lines in ems.
const (
	nodeFont  = 14.0
	edgeFont  = 11.0
	leading   = 1.3
	nodeLine  = 13.0
	edgeLine  = 14.0
	nodeLines = 3
	edgeLines = 2
	padding   = 10.0
)

// Lines returns the lines in which a node's label is drawn: at most three,
// without control characters, the rest clipped.
func Lines(label string) []string { return wrap(label, nodeFont, nodeLine, nodeLines).lines }

func nodeCell(label string) cell {
	text := wrap(label, nodeFont, nodeLine, nodeLines)
	return cell{text: text, width: max(text.width+2*padding, 44), height: text.height + 2*padding}
}

func labelBlock(label string) block { return wrap(label, edgeFont, edgeLine, edgeLines) }

// Wrap breaks text into at most so many lines and clips the rest with an
// ellipsis.
func wrap(text string, font, ems float64, lines int) block {
	var b block
	for _, paragraph := range strings.Split(plain(text), "\n") {
		rest := []rune(strings.TrimSpace(paragraph))
		for len(rest) > 0 && len(b.lines) <= lines {
			n := fit(rest, ems)
			b.lines = append(b.lines, strings.TrimSpace(string(rest[:n])))
			for n < len(rest) && rest[n] == ' ' {
				n++
			}
			rest = rest[n:]
		}
	}
	if len(b.lines) > lines {
		b.lines = b.lines[:lines]
		last := []rune(b.lines[lines-1])
		b.lines[lines-1] = strings.TrimSpace(string(last[:fit(last, ems-1)])) + "…"
	}
	if len(b.lines) == 0 {
		b.lines = []string{""}
	}
	for _, line := range b.lines {
		b.width = max(b.width, font*measure(line))
	}
	b.height = font * leading * float64(len(b.lines))
	return b
}

// Plain drops what would not be seen, or would change how the rest is seen:
// control characters and marks of direction; joiners stay.
func plain(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\u2028' || r == '\u2029' || r == '\r':
			return '\n'
		case unicode.IsSpace(r):
			return ' '
		case r == '\u200c' || r == '\u200d':
			return r
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co) || r&0xFFFE == 0xFFFE:
			return -1
		default:
			return r
		}
	}, text)
}

// Fit returns how many characters, at least one, fit into so many ems: up to the
// end, a space or the border of a wide character where there is one.
func fit(text []rune, ems float64) int {
	used, breakAt := 0.0, 0
	for i, r := range text {
		w := runeWidth(r)
		if i > 0 && w > 0 && (text[i-1] == ' ' || runeWidth(r) == 1 || runeWidth(text[i-1]) == 1) {
			breakAt = i
		}
		if used += w; used > ems && i > 0 && w > 0 {
			if breakAt > 0 {
				return breakAt
			}
			return i
		}
	}
	return len(text)
}

func measure(line string) float64 {
	sum := 0.0
	for _, r := range line {
		sum += runeWidth(r)
	}
	return sum
}

// RuneWidth estimates ems in a common sans-serif font, rather too wide than too
// narrow: which font is there, only the viewer knows.
func runeWidth(r rune) float64 {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case wide(r):
		return 1
	case strings.ContainsRune("ijlIftr.,:;'|!()[]{} -", r):
		return 0.4
	case strings.ContainsRune("mwMW@%", r):
		return 0.95
	case r >= 'A' && r <= 'Z':
		return 0.72
	default:
		return 0.6
	}
}

func wide(r rune) bool {
	k := width.LookupRune(r).Kind()
	return k == width.EastAsianWide || k == width.EastAsianFullwidth
}
