package cli

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escapes of terminals: control sequences, operating system commands and the
// other strings, with either introducer, and the two-character escapes.
var escapes = regexp.MustCompile(
	`(?:\x1b\[|\x{9b})[0-?]*[ -/]*[@-~]?` +
		`|(?:\x1b[\]PX^_]|[\x{9d}\x{90}\x{98}\x{9e}\x{9f}])[^\x07\x1b\x{9c}]*(?:\x07|\x1b\\|\x{9c})?` +
		`|\x1b[ -/]*[0-~]?`)

// Clean makes text from anywhere safe to show on one line: terminal escapes,
// control characters and invisible ones that reorder a line are taken out, line
// breaks and tabs become spaces, and what is no UTF-8 becomes a replacement
// character.
func Clean(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = escapes.ReplaceAllString(text, "")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\u2028' || r == '\u2029':
			return ' '
		case invisible(r):
			return -1
		default:
			return r
		}
	}, text)
}

// CleanLines cleans each line of a text of several.
func CleanLines(text string) []string {
	lines := strings.Split(strings.ReplaceAll(strings.TrimRight(text, "\n"), "\t", "    "), "\n")
	for i, line := range lines {
		lines[i] = Clean(line)
	}
	return lines
}

// Invisible characters: controls, and those of format but for the joiner that
// emoji are made with.
func invisible(r rune) bool {
	return r != '\u200d' && (unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r))
}

// EscapeJSON writes the characters that Clean would take out as \u escapes; in
// valid JSON they can stand in strings only, so the value stays what it is.
func escapeJSON(data []byte) []byte {
	if !bytes.ContainsFunc(data, func(r rune) bool { return r >= utf8.RuneSelf-1 && invisible(r) }) {
		return data
	}
	var out bytes.Buffer
	for _, r := range string(data) {
		switch {
		case r < utf8.RuneSelf-1 || !invisible(r):
			out.WriteRune(r)
		case r > 0xffff:
			high, low := 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff
			_, _ = fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			_, _ = fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.Bytes()
}

// Clip cuts text to at most n characters.
func Clip(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	return string(runes[:n-1]) + "…"
}
