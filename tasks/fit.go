package tasks

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf8"
)

// Fits reports whether data is one JSON value within the limits of [CheckJSON] and
// has the shape, for certain.
func (s *shape) fits(data []byte) bool {
	if s == nil || len(data) > MaxPayload {
		return false
	}
	end, ok := s.value(data, skipBlank(data, 0), 0)
	return ok && skipBlank(data, end) == len(data)
}

// Value reads the value that begins at i and returns where it ends.
func (s *shape) value(data []byte, i, depth int) (end int, ok bool) {
	if i >= len(data) {
		return i, false
	}
	switch data[i] {
	case '{':
		return s.object(data, i, depth+1)
	case '[':
		return s.array(data, i, depth+1)
	case '"':
		_, end, ok = quoted(data, i)
		return end, ok && s.kinds&stringKind != 0
	case 'n':
		return literal(data, i, "null", s.kinds&nullKind != 0)
	case 't':
		return literal(data, i, "true", s.kinds&boolKind != 0)
	case 'f':
		return literal(data, i, "false", s.kinds&boolKind != 0)
	default:
		kind, end := numeral(data, i)
		return end, s.kinds&kind != 0 && s.bears(kind, data[i:end])
	}
}

// Bears reports whether a number is within the bounds, and an integer one of 64
// bits, for certain.
func (s *shape) bears(kind kinds, text []byte) bool {
	if s.least == math.MinInt64 && s.most == math.MaxInt64 && (kind == numberKind || len(text) < len("-999999999999999999")) {
		return true
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	return kind == integerKind && err == nil && s.least <= n && n <= s.most
}

func (s *shape) object(data []byte, i, depth int) (end int, ok bool) {
	if s.kinds&objectKind == 0 || depth > MaxDepth {
		return i, false
	}
	seen := uint64(0)
	for first := true; ; first = false {
		var more bool
		if i, more = member(data, i, '}', first); !more {
			return i + 1, i < len(data) && s.required&^seen == 0
		}
		name, colon, ok := quoted(data, i)
		if !ok || bytes.IndexByte(name, '\\') >= 0 { // an escape may spell any name
			return i, false
		}
		field, known := s.fields[string(name)]
		if !known {
			if !utf8.Valid(name) { // the validator reads another name
				return i, false
			}
			field.shape = s.rest
		}
		seen |= field.bit
		colon = skipBlank(data, colon)
		if colon >= len(data) || data[colon] != ':' {
			return i, false
		}
		if i, ok = field.value(data, skipBlank(data, colon+1), depth); !ok {
			return i, false
		}
	}
}

func (s *shape) array(data []byte, i, depth int) (end int, ok bool) {
	if s.kinds&arrayKind == 0 || depth > MaxDepth {
		return i, false
	}
	for first := true; ; first = false {
		var more bool
		if i, more = member(data, i, ']', first); !more {
			return i + 1, i < len(data)
		}
		if i, ok = s.items.value(data, i, depth); !ok {
			return i, false
		}
	}
}

// Member returns where the next member of an object or array begins, of which i
// is the opening bracket or the end of the last member. More is false at the
// closing bracket, and at len(data) where something else stands.
func member(data []byte, i int, closing byte, first bool) (at int, more bool) {
	if first {
		i++
	}
	i = skipBlank(data, i)
	switch {
	case i < len(data) && data[i] == closing:
		return i, false
	case first:
		return i, true
	case i < len(data) && data[i] == ',':
		return skipBlank(data, i+1), true
	default:
		return len(data), false
	}
}

func skipBlank(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r') {
		i++
	}
	return i
}

func literal(data []byte, i int, word string, fits bool) (end int, ok bool) {
	end = i + len(word)
	return end, fits && end <= len(data) && string(data[i:end]) == word
}

// Quoted reads the string that begins at i, with its escapes as they are.
func quoted(data []byte, i int) (text []byte, end int, ok bool) {
	if i >= len(data) || data[i] != '"' {
		return nil, i, false
	}
	start := i + 1
	for end = start; end < len(data); end++ {
		switch c := data[end]; {
		case c == '"':
			return data[start:end], end + 1, true
		case c < ' ':
			return nil, end, false
		case c == '\\':
			if end = escape(data, end+1); end < 0 {
				return nil, i, false
			}
		}
	}
	return nil, end, false
}

// Escape returns where the escape ends that goes on at i, -1 for none.
func escape(data []byte, i int) int {
	switch {
	case i >= len(data):
		return -1
	case data[i] != 'u':
		if bytes.IndexByte([]byte(`"\/bfnrt`), data[i]) < 0 {
			return -1
		}
		return i
	case i+4 >= len(data):
		return -1
	}
	if _, err := strconv.ParseUint(string(data[i+1:i+5]), 16, 16); err != nil {
		return -1
	}
	return i + 4
}

// Numeral reads the number that begins at i; its kind is 0 where there is none,
// or one whose exponent is too long.
func numeral(data []byte, i int) (kind kinds, end int) {
	kind = integerKind
	if i < len(data) && data[i] == '-' {
		i++
	}
	whole := digits(data, i)
	if whole == i || data[i] == '0' && whole > i+1 {
		return 0, i
	}
	i = whole
	if i < len(data) && data[i] == '.' {
		kind = numberKind
		if end = digits(data, i+1); end == i+1 {
			return 0, i
		}
		i = end
	}
	if i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		kind = numberKind
		if i++; i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		if end = digits(data, i); end == i || end > i+maxExponent {
			return 0, i
		}
		i = end
	}
	return kind, i
}

func digits(data []byte, i int) int {
	for i < len(data) && isDigit(data[i]) {
		i++
	}
	return i
}
