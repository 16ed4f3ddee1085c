package streams

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"sparkle/tasks"
)

// An Edit changes one place of a payload. [ParseSet], [ParseUnset] and
// [Replace] make one.
type Edit struct {
	path  []pathStep
	value json.RawMessage // decoded anew for each payload, since later edits may change it
	unset bool
}

// A pathStep leads from a value to one inside it: to a field, or with a nil name to
// an element.
type pathStep struct {
	name  *string
	index int
}

const (
	maxPath  = 1 << 10 // bytes of a path
	maxIndex = 1 << 16
)

// ParseSet reads "payload.a.b=VALUE" and "payload.list[0].text=VALUE". A name
// with other characters is quoted: payload["a.b"]. VALUE is JSON; what is none
// is taken as a string, unless it begins as JSON's own quotes and brackets do.
// The objects on the way are made where they are missing, and the index that is
// a list's length appends to it.
func ParseSet(text string) (Edit, error) {
	path, rest, err := parsePath(text)
	if err != nil {
		return Edit{}, err
	}
	value, ok := strings.CutPrefix(rest, "=")
	if !ok {
		return Edit{}, pathFault(text, "= and a value")
	}
	data := []byte(value)
	if strings.IndexAny(value, `{["`) != 0 && !json.Valid(data) {
		if data, err = json.Marshal(value); err != nil {
			return Edit{}, err
		}
	}
	e, err := Replace(data)
	e.path = path
	return e, err
}

// ParseUnset reads "payload.a.b". An edit that removes what is not there changes
// nothing; an element that is removed moves those after it up.
func ParseUnset(text string) (Edit, error) {
	path, rest, err := parsePath(text)
	if err == nil && rest != "" {
		err = pathFault(text, "the end of the path")
	}
	if err == nil && len(path) == 0 {
		err = fmt.Errorf("path %q: a payload cannot be removed, only what is in it", "payload")
	}
	return Edit{path: path, unset: true}, err
}

// Replace returns the edit that puts another payload in the place of the whole.
// It answers an [*tasks.InvalidError] for what is no payload.
func Replace(payload []byte) (Edit, error) {
	return Edit{value: payload}, tasks.CheckJSON(payload)
}

// ParsePath reads a path and returns what stands behind it.
func parsePath(text string) (path []pathStep, rest string, err error) {
	rest, ok := strings.CutPrefix(text, "payload")
	if !ok {
		return nil, "", pathFault(text, "payload at its beginning")
	}
	for rest != "" && rest[0] != '=' {
		if len(text)-len(rest) > maxPath || len(path) == tasks.MaxDepth {
			return nil, "", pathFault(text, "at most 64 steps in 1 KiB")
		}
		var next pathStep
		if next, rest, ok = parsePathStep(rest); !ok {
			return nil, "", pathFault(text, `.name, [0] or ["any name"] at each step`)
		}
		path = append(path, next)
	}
	return path, rest, nil
}

func parsePathStep(text string) (next pathStep, rest string, ok bool) {
	switch {
	case strings.HasPrefix(text, `["`):
		decoder := json.NewDecoder(strings.NewReader(text[1:]))
		var name string
		if decoder.Decode(&name) != nil {
			return pathStep{}, "", false
		}
		rest, ok = strings.CutPrefix(text[1+decoder.InputOffset():], "]")
		return pathStep{name: &name}, rest, ok
	case text[0] == '[':
		digits, after, found := strings.Cut(text[1:], "]")
		index, err := strconv.ParseUint(digits, 10, 32)
		return pathStep{index: int(index)}, after, found && err == nil && index < maxIndex
	case text[0] == '.':
		end := strings.IndexAny(text[1:], ".[]=\"")
		if end < 0 {
			end = len(text) - 1
		}
		name := text[1 : 1+end]
		return pathStep{name: &name}, text[1+end:], name != ""
	default:
		return pathStep{}, "", false
	}
}

// PathFault does not quote what may be a value.
func pathFault(text, want string) error {
	path, _, _ := strings.Cut(text, "=")
	if len(path) > 64 {
		path = strings.ToValidUTF8(path[:64], "") + "…"
	}
	return fmt.Errorf("path %q: want %s, such as payload.documents[0].text", path, want)
}

// ApplyEdits returns the payload with the edits made in their order. Its numbers
// keep their digits; the order of an object's fields is not kept.
func applyEdits(payload []byte, edits []Edit) (json.RawMessage, error) {
	if len(edits) == 0 {
		return payload, nil
	}
	var value any
	if len(edits[0].path) > 0 {
		err := tasks.CheckJSON(payload)
		if err == nil {
			value, err = decodeExact(payload)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, e := range edits {
		var err error
		if value, err = e.apply(value, e.path, "payload"); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("encode the edited payload: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

func decodeExact(payload []byte) (value any, err error) {
	if len(payload) == 0 {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	err = decoder.Decode(&value)
	return value, err
}

// Apply returns node with the edit made at path, which begins at node.
func (e Edit) apply(node any, path []pathStep, at string) (any, error) {
	switch {
	case len(path) == 0:
		return decodeExact(e.value)
	case path[0].name != nil:
		return e.applyField(node, path, at)
	default:
		return e.applyElement(node, path, at)
	}
}

func (e Edit) applyField(node any, path []pathStep, at string) (any, error) {
	name := *path[0].name
	object, ok := node.(map[string]any)
	switch {
	case node == nil && e.unset:
		return node, nil
	case node == nil:
		object = map[string]any{}
	case !ok:
		return nil, &tasks.InvalidError{Field: at, Want: "want an object to edit in, got " + kindOf(node)}
	}
	inner, found := object[name]
	if e.unset && (!found || len(path) == 1) {
		delete(object, name)
		return object, nil
	}
	inner, err := e.apply(inner, path[1:], at+"."+name)
	object[name] = inner
	return object, err
}

func (e Edit) applyElement(node any, path []pathStep, at string) (any, error) {
	index := path[0].index
	list, ok := node.([]any)
	switch {
	case node == nil && e.unset, ok && e.unset && index >= len(list):
		return node, nil
	case !ok && node != nil:
		return nil, &tasks.InvalidError{Field: at, Want: "want an array to edit in, got " + kindOf(node)}
	case index > len(list):
		return nil, &tasks.InvalidError{Field: fmt.Sprintf("%s[%d]", at, index), Want: fmt.Sprintf("the array has %d elements", len(list))}
	case e.unset && len(path) == 1:
		return append(list[:index:index], list[index+1:]...), nil
	case index == len(list):
		list = append(list, nil)
	}
	inner, err := e.apply(list[index], path[1:], fmt.Sprintf("%s[%d]", at, index))
	list[index] = inner
	return list, err
}

func kindOf(value any) string {
	switch value.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "an array"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	default:
		return "a number"
	}
}
