package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"sparkle/tasks"
)

// ReadPayload reads the payload that an argument names: @FILE, - for standard
// input, else the argument itself.
func ReadPayload(argument string, stdin io.Reader) (json.RawMessage, error) {
	switch path, isFile := strings.CutPrefix(argument, "@"); {
	case argument == "-":
		return readLimited("standard input", stdin)
	case isFile:
		file, err := os.Open(path)
		if err != nil {
			return nil, &Fault{Code: Usage, Err: fmt.Errorf("read the payload: %w", err)}
		}
		defer func() { _ = file.Close() }() // it was only read
		return readLimited(path, file)
	default:
		return json.RawMessage(argument), nil
	}
}

// ReadLimited reads one byte more than a payload may have, which the check of
// the payload then refuses.
func readLimited(name string, r io.Reader) (json.RawMessage, error) {
	data, err := io.ReadAll(io.LimitReader(r, tasks.MaxPayload+1))
	if err != nil {
		return nil, &Fault{Code: Usage, Err: fmt.Errorf("read the payload from %s: %w", name, err)}
	}
	return data, nil
}
