package main

import (
	"fmt"
	"strconv"
	"strings"

	"sparkle/tasks"
)

// Weights are tasks.Weights as a flag.
type weights tasks.Weights

const maxWeight = 1_000

// UnmarshalText reads "6:3:1".
func (w *weights) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), ":")
	if len(parts) != 3 {
		return fmt.Errorf("want three numbers such as 6:3:1, got %q", text)
	}
	for i, into := range []*int{&w.High, &w.Default, &w.Low} {
		n, err := strconv.Atoi(parts[i])
		if err != nil || n < 1 || n > maxWeight {
			return fmt.Errorf("want numbers from 1 to %d such as 6:3:1, got %q", maxWeight, text)
		}
		*into = n
	}
	return nil
}

// String prints what UnmarshalText reads.
func (w weights) String() string { return fmt.Sprintf("%d:%d:%d", w.High, w.Default, w.Low) }
