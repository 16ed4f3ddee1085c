package tasks_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sparkle/tasks"
)

// An order has a field of each kind.
type order struct {
	Name     string            `json:"name"`
	Lines    []orderLine       `json:"lines"`
	Count    int8              `json:"count,omitempty"`
	Price    float32           `json:"price,omitempty"`
	Gift     *bool             `json:"gift,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	Due      *time.Time        `json:"due,omitempty"`
	Raw      json.RawMessage   `json:"raw,omitempty"`
	Picture  []byte            `json:"picture,omitempty"`
	Anything any               `json:"anything,omitempty"`
}

type orderLine struct {
	Text  string `json:"text"`
	Pages []uint `json:"pages,omitempty"`
}

func TestRegistryCheckNamesTheField(t *testing.T) {
	t.Parallel()
	var registry tasks.Registry
	tasks.Declare(&registry, tasks.Type[order, note]{Name: "order"})
	for name, row := range map[string]struct{ payload, want string }{
		"the least":                      {`{"name":"a","lines":[]}`, ""},
		"null where Go has nil":          {`{"name":"a","lines":null,"gift":null}`, ""},
		"everything":                     {`{"name":"a","lines":[{"text":"b","pages":[1]}],"count":-128,"price":1.5,"gift":true,"tags":{"x":"y"},"due":"2026-01-02T03:04:05Z","raw":{"z":[1]},"picture":"aGk=","anything":[{}]}`, ""},
		"wrong type":                     {`{"name":7,"lines":[]}`, "payload.name: want string, got number"},
		"wrong type in an array":         {`{"name":"a","lines":[{"text":"b"},{"text":"b"},{"text":{"secret":1}}]}`, "payload.lines[2].text: want string, got object"},
		"wrong type in a nested array":   {`{"name":"a","lines":[{"text":"b","pages":[1,2,"secret"]}]}`, "payload.lines[0].pages[2]: want integer, got string"},
		"wrong type in a map":            {`{"name":"a","lines":[],"tags":{"x":1}}`, "payload.tags.x: want string, got number"},
		"an array for an object":         {`["secret"]`, "payload: want object, got array"},
		"null for an object":             {`null`, "payload: want object, got null"},
		"null for a string":              {`{"name":null,"lines":[]}`, "payload.name: want string, got null"},
		"nothing for an object":          {``, "payload: want object, got null"},
		"missing":                        {`{"lines":[]}`, "payload.name: missing"},
		"missing in an array":            {`{"name":"a","lines":[{"text":"b"},{}]}`, "payload.lines[1].text: missing"},
		"several missing":                {`{}`, "payload.lines: missing"},
		"unknown":                        {`{"name":"a","lines":[],"surname":"secret"}`, "payload.surname: unknown field"},
		"several unknown":                {`{"name":"a","lines":[],"zz":1,"yy":2}`, "payload.yy: unknown field"},
		"unknown in an array":            {`{"name":"a","lines":[{"text":"b","txt":"secret"}]}`, "payload.lines[0].txt: unknown field"},
		"the wrong case":                 {`{"Name":"a","lines":[]}`, "payload.Name: unknown field"},
		"too big":                        {`{"name":"a","lines":[],"count":128}`, "payload.count: want at most 127"},
		"too small":                      {`{"name":"a","lines":[{"text":"b","pages":[-1]}]}`, "payload.lines[0].pages[0]: want at least 0"},
		"a fraction":                     {`{"name":"a","lines":[],"count":1.5}`, "payload.count: want integer, got number"},
		"an integer that Go cannot read": {`{"name":"a","lines":[],"count":1.0}`, "payload.count: want int8, got another number"},
		"a float that Go cannot hold":    {`{"name":"a","lines":[],"price":1e300}`, "payload.price: want float32, got another number"},
		"a time that is none":            {`{"name":"a","lines":[],"due":"secret"}`, "payload: does not fit its Go type"},
		"bytes that are no base64":       {`{"name":"a","lines":[],"picture":"sec ret"}`, "payload: does not fit its Go type"},
		"not JSON":                       {`{"name":secret}`, "payload: not JSON at byte 9"},
		"two values":                     {`{"name":"a","lines":[]}{}`, "payload: more than one JSON value: the second begins at byte 24"},
		"too deep":                       {`{"name":"a","lines":[],"anything":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, "payload: nested deeper than 64"},
		"too large":                      {`{"name":"` + strings.Repeat("x", tasks.MaxPayload) + `","lines":[]}`, "payload: 33554454 bytes are more than 33554432"},
		"a long hostile name":            {`{"name":"a","lines":[],"` + strings.Repeat("é", 99) + `":1}`, "payload." + strings.Repeat("é", 32) + "…: unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := registry.Check(tasks.Task{Type: "order", Payload: []byte(row.payload)})
			wantInvalid(t, "Check", err, row.want)
		})
	}
	err := registry.Check(tasks.Task{Type: "oder"})
	wantInvalid(t, "Check", err, `type: unknown type "oder"`)
}

func TestCheckGivesOnePayloadOneAnswer(t *testing.T) {
	t.Parallel()
	schema, err := tasks.SchemaFor[order]()
	if err != nil {
		t.Fatalf("SchemaFor: %v", err)
	}
	payload := []byte(`{"name":1,"lines":[{"text":1},{"pages":"x"}],"tags":{"b":1,"a":2},"x":1,"w":2}`)
	first := schema.Check(payload)
	for range 50 {
		if again := schema.Check(payload); again.Error() != first.Error() {
			t.Fatalf("Check = %q, then %q", first, again)
		}
	}
}

func TestParseSchema(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ schema, payload, want string }{
		"no JSON":              {`{`, ``, "parse schema"},
		"no schema":            {`{"type":7}`, ``, "compile schema"},
		"another document":     {`{"$ref":"https://example.com/schema.json"}`, ``, "compile schema"},
		"a file":               {`{"$ref":"file:///etc/passwd"}`, ``, "compile schema"},
		"a word of the schema": {`{"enum":["a","b"]}`, `"secret"`, "payload: breaks the schema's enum"},
		"a false schema":       {`{"properties":{"a":false}}`, `{"a":1}`, "payload.a: unknown field"},
		"one of several":       {`{"anyOf":[{"type":"string"},{"type":"null"}]}`, `1`, "payload: want string, got number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			schema, err := tasks.ParseSchema([]byte(row.schema))
			if err == nil {
				err = schema.Check([]byte(row.payload))
			}
			if err == nil || !strings.HasPrefix(err.Error(), row.want) {
				t.Errorf("ParseSchema(%s), Check(%s) = %v, want %q", row.schema, row.payload, err, row.want)
			}
		})
	}
}

func TestSchemaMarshalsToItsSource(t *testing.T) {
	t.Parallel()
	schema, err := tasks.SchemaFor[note]()
	if err != nil {
		t.Fatalf("SchemaFor: %v", err)
	}
	source, err := json.Marshal(schema)
	if err != nil {
		t.Fatalf("Marshal: %v", err)
	}
	again, err := tasks.ParseSchema(source)
	if err != nil {
		t.Fatalf("ParseSchema(%s): %v", source, err)
	}
	wantInvalid(t, "Check", again.Check([]byte(`{"text":1}`)), "payload.text: want string, got number")
}

func FuzzSchemaCheck(f *testing.F) {
	schema, err := tasks.SchemaFor[order]()
	if err != nil {
		f.Fatalf("SchemaFor: %v", err)
	}
	for _, seed := range []string{"", `{"name":"a","lines":[{"text":"b"}]}`, `{"lines":[{"pages":[-1]}]}`, `[]`, `{"count":1e99}`, `{"price":1e-999}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		err := schema.Check(payload)
		var invalid *tasks.InvalidError
		if err != nil && (!errors.As(err, &invalid) || !strings.HasPrefix(invalid.Field, "payload")) {
			t.Errorf("Check(%q) = %v, want an InvalidError of payload", payload, err)
		}
		var in order
		if err != nil || len(payload) == 0 {
			return
		}
		// What passes is an object of these fields; a decoder may only stumble
		// over a number's size or a string's form.
		if err := json.Unmarshal(payload, &in); err != nil && !json.Valid(payload) {
			t.Errorf("Check(%q) = nil, but Unmarshal = %v", payload, err)
		}
	})
}

func BenchmarkSchemaCheck(b *testing.B) {
	schema, err := tasks.SchemaFor[order]()
	if err != nil {
		b.Fatalf("SchemaFor: %v", err)
	}
	payload := fmt.Appendf(nil, `{"name":%q,"lines":[{"text":"one","pages":[1,2,3]},{"text":"two"}],"tags":{"a":"b"}}`, strings.Repeat("x", 172))
	if len(payload) != 256 {
		b.Fatalf("payload of %d bytes, want 256", len(payload))
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := schema.Check(payload); err != nil {
			b.Fatal(err)
		}
	}
}
