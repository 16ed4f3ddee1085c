package tasks

// Wheel is exported for its test.
type Wheel = wheel

var NewWheel = newWheel

// Turn is exported for its test.
func (w *wheel) Turn(has func(Priority) bool) (Priority, bool) { return w.turn(has) }
