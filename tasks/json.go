package tasks

import (
	"encoding/json"
	"errors"
	"fmt"
)

const maxExponent = 3 // digits of a number's exponent

// CheckJSON reports as an [*InvalidError] of field payload when data is larger
// than [MaxPayload], nested deeper than [MaxDepth], not one JSON value, or has a
// number beyond 1e999. Empty data passes: it stands for null.
func CheckJSON(data []byte) error {
	if len(data) > MaxPayload {
		return invalid("payload", "%d bytes are more than %d", len(data), MaxPayload)
	}
	if len(data) == 0 {
		return nil
	}
	depth, exponent := measureJSON(data)
	if depth > MaxDepth {
		return invalid("payload", "nested deeper than %d", MaxDepth)
	}
	if !json.Valid(data) {
		return invalid("payload", "%s", jsonFault(data))
	}
	// The schema's arithmetic is exact: "1e999999" costs it 20 ms.
	if exponent > maxExponent {
		return invalid("payload", "has a number whose exponent is longer than %d digits", maxExponent)
	}
	return nil
}

// MeasureJSON returns how deep data is nested and how many digits its longest
// exponent has, both outside of strings. For text that is no JSON the answer is
// of no use, but bounded and found in one pass.
func measureJSON(data []byte) (deepest, longest int) {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		case (c == 'e' || c == 'E') && i > 0 && isDigit(data[i-1]):
			longest = max(longest, exponentDigits(data[i+1:]))
		}
	}
	return deepest, longest
}

func exponentDigits(data []byte) int {
	if len(data) > 0 && (data[0] == '+' || data[0] == '-') {
		data = data[1:]
	}
	n := 0
	for n < len(data) && isDigit(data[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// JsonFault says where data ceases to be JSON; the parser's own words would
// quote it.
func jsonFault(data []byte) string {
	var (
		discard json.RawMessage
		syntax  *json.SyntaxError
	)
	err := json.Unmarshal(data, &discard)
	if !errors.As(err, &syntax) || syntax.Offset < 1 {
		return "not JSON"
	}
	if json.Valid(data[:syntax.Offset-1]) {
		return fmt.Sprintf("more than one JSON value: the second begins at byte %d", syntax.Offset)
	}
	return fmt.Sprintf("not JSON at byte %d", syntax.Offset)
}
