package tasks_test

import (
	"encoding/json"
	"strings"
	"testing"

	"sparkle/tasks"
)

var shapedSchemas = []string{
	`true`, `false`, `{}`, `{"type":"null"}`, `{"type":"integer"}`, `{"type":["null","number"]}`,
	`{"type":"array","items":{"type":"string"}}`, `{"items":false}`,
	`{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"array"}},"required":["a"],"additionalProperties":false}`,
	`{"properties":{"a":false,"c":{"properties":{"d":{"type":"boolean"}},"required":["d"]}},"additionalProperties":{"type":"string"}}`,
	`{"type":["number","string"],"minimum":0,"maximum":255}`, `{"items":{"minimum":-9223372036854775808}}`,
	`{"type":"string","Type":"integer"}`, `{"type":"string","type":"integer"}`,
}

func TestTheQuickCheckKnowsWhatTypesNeed(t *testing.T) {
	t.Parallel()
	const schema = `{"type":"object","properties":{"a":{"type":"integer"},"d":{"minimum":0,"maximum":255},"b":{"type":["null","array"],"items":{"type":"object","properties":{"c":{"type":"string"}},"required":["c"],"additionalProperties":false}}},"required":["a"],"additionalProperties":false}`
	s, err := tasks.ParseSchema([]byte(schema))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		payload string
		want    bool
	}{
		{`{"a":1}`, true},
		{" { \"b\" : null,\n\"a\"\t: -7 } ", true},
		{`{"a":1,"b":[{"c":"\"]}"},{"c":""}]}`, true},
		{`{"a":1,"b":[]}`, true},
		{`{"a":1.0}`, false}, // an integer, but not for certain
		{`{"\u0061":1}`, false},
		{`{"a":1,"x":1}`, false},
		{`{"a":1,"b":[{}]}`, false},
		{`{"b":[]}`, false},
		{`[]`, false},
		{`{"a":1,"d":255}`, true},
		{`{"a":1,"d":-1}`, false},
		{`{"a":1,"d":1.5}`, false}, // fits, but not for certain
		{`{"a":1,"d":99999999999999999999}`, false},
	} {
		if got := s.Fits([]byte(row.payload)); got != row.want {
			t.Errorf("Fits(%s) = %v, want %v", row.payload, got, row.want)
		}
	}
}

func TestTheQuickCheckLeavesWhatItCannotSay(t *testing.T) {
	t.Parallel()
	many := `{"properties":{"` + strings.Join(strings.Split(strings.Repeat("x", 65), ""), `":true,"`) + `":true}}`
	for _, schema := range []string{
		`{"enum":[1]}`, `{"minimum":1.5}`, `{"exclusiveMinimum":0}`, `{"anyOf":[true]}`, `{"properties":{"a":{"pattern":"x"}}}`,
		`{"items":{"const":1}}`, `{"additionalProperties":{"maxLength":1}}`, `{"required":["a"]}`,
	} {
		s, err := tasks.ParseSchema([]byte(schema))
		if err != nil {
			t.Fatalf("ParseSchema(%s): %v", schema, err)
		}
		if s.Fits([]byte(`1`)) {
			t.Errorf("schema %s: Fits(1) = true, want false", schema)
		}
	}
	if s, err := tasks.ParseSchema([]byte(many)); err != nil || !s.Fits([]byte(`{"x":1}`)) {
		t.Errorf("a schema that repeats a field: %v, want it to fit", err)
	}
}

// What the quick check takes the validator takes too.
func FuzzShape(f *testing.F) {
	for i := range shapedSchemas {
		for _, payload := range []string{
			`null`, `1`, `-1.5e3`, `"a"`, `[1,"a",null,{}]`, `{"a":1}`, `{"a":1,"b":[true,false]}`, `{"c":{"d":true}}`,
			`{"e":"\\"}`, `{"a":{"a":1},"\u0061":2}`, "{\"\xff\":1}", `{"a":1,"a":"x"}`,
		} {
			f.Add(uint8(i), []byte(payload))
		}
	}
	for _, payload := range []string{
		`{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `[`, `[1`, `[1,`, `[,1]`, `[1 2]`, `{"a" 1}`, `{,}`, `"`, `"\`, `"\x"`, `"\u12g4"`,
		"\"\n\"", `nul`, `tru`, `-`, `01`, `1.`, `1e`, `1e+`, `1e9999`, `1 1`, ``, ` `, `}`, `"\ud83d"`, `1E-3`, strings.Repeat("[", 70),
	} {
		f.Add(uint8(2), []byte(payload))
		f.Add(uint8(0), []byte(payload))
	}
	f.Fuzz(func(t *testing.T, which uint8, payload []byte) {
		source := shapedSchemas[int(which)%len(shapedSchemas)]
		s, err := tasks.ParseSchema([]byte(source))
		if err != nil {
			t.Fatalf("ParseSchema(%s): %v", source, err)
		}
		if s.Fits(payload) && (tasks.CheckJSON(payload) != nil || !json.Valid(payload) || !s.Validates(payload)) {
			t.Errorf("schema %s: the quick check takes %q, and the others do not", source, payload)
		}
	})
}
