package tasks

import (
	"bytes"

	validation "github.com/santhosh-tekuri/jsonschema/v6"
)

// Wheel is exported for its test.
type Wheel = wheel

var NewWheel = newWheel

// Turn is exported for its test.
func (w *wheel) Turn(has func(Priority) bool) (Priority, bool) { return w.turn(has) }

// Fits reports whether the quick check is sure that a payload fits.
func (s *Schema) Fits(payload []byte) bool { return s.shape.fits(payload) }

// Validates asks the validator alone.
func (s *Schema) Validates(payload []byte) bool {
	value, err := validation.UnmarshalJSON(bytes.NewReader(payload))
	return err == nil && s.compiled.Validate(value) == nil
}
