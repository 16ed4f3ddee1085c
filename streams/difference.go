package streams

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// Differences lists the fields of have that are not as wanted.
func differences(have, want any, fields []string) []string {
	var found []string
	h, w := reflect.ValueOf(have), reflect.ValueOf(want)
	for _, name := range fields {
		a, b := h.FieldByName(name), w.FieldByName(name)
		if !equalField(a, b) {
			found = append(found, fmt.Sprintf("%s: %v → %v", name, a.Interface(), b.Interface()))
		}
	}
	return found
}

// EqualField takes an unset number for the default that the server filled in,
// and an unset limit for none. Numbers with names, such as a storage or an age,
// mean something when they are zero.
func equalField(have, want reflect.Value) bool {
	if subjects, ok := want.Interface().([]string); ok {
		return slices.Equal(sorted(have.Interface().([]string)), sorted(subjects))
	}
	if want.CanInt() && want.IsZero() && want.Type().PkgPath() == "" {
		return want.Kind() == reflect.Int || have.Int() <= 0
	}
	return reflect.DeepEqual(have.Interface(), want.Interface())
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// Merged is have with the fields of want: an operator's other settings stay.
func merged[Config any](have, want Config, fields []string) Config {
	h, w := reflect.ValueOf(&have).Elem(), reflect.ValueOf(want)
	for _, name := range fields {
		if field := w.FieldByName(name); !equalField(h.FieldByName(name), field) {
			h.FieldByName(name).Set(field)
		}
	}
	return have
}

// Fixed says why the server cannot make have what is wanted, if so.
func fixed(have jetstream.StreamConfig, o kept) string {
	owns := func(field string) bool { return slices.Contains(o.fields, field) }
	switch {
	case owns("Retention") && have.Retention != o.want.Retention:
		return fmt.Sprintf("a stream's retention cannot change: it is %v, and %v is wanted", have.Retention, o.want.Retention)
	case owns("Storage") && have.Storage != o.want.Storage:
		return fmt.Sprintf("a stream's storage cannot change: it is %v, and %v is wanted", have.Storage, o.want.Storage)
	}
	return ""
}

// Destructive says what would be lost, if something would.
func destructive(have jetstream.StreamConfig, o kept) string {
	owns := func(field string) bool { return slices.Contains(o.fields, field) }
	want := o.want
	lost := slices.DeleteFunc(slices.Clone(have.Subjects), func(s string) bool { return slices.Contains(want.Subjects, s) })
	switch {
	case owns("Subjects") && len(lost) > 0:
		return "it would no longer take " + strings.Join(lost, ", ")
	case want.MaxAge > 0 && (have.MaxAge == 0 || have.MaxAge > want.MaxAge):
		return fmt.Sprintf("it keeps messages for %v, and %v would delete some", have.MaxAge, want.MaxAge)
	case want.MaxMsgsPerSubject > 0 && (have.MaxMsgsPerSubject <= 0 || have.MaxMsgsPerSubject > want.MaxMsgsPerSubject):
		return fmt.Sprintf("it keeps %d messages a subject, and %d would delete some", have.MaxMsgsPerSubject, want.MaxMsgsPerSubject)
	case have.Replicas > want.Replicas:
		return fmt.Sprintf("it has %d replicas, and %d would be less safe", have.Replicas, want.Replicas)
	}
	return ""
}
