package streams_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"sparkle/streams"
	"sparkle/tasks"
)

func pattern(t *testing.T, text string) *regexp.Regexp {
	t.Helper()
	p, err := regexp.Compile(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEditsChangeOnePlaceOfAPayload(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, payload string
		set, unset    string
		want          string
		field         string // of the InvalidError
	}{
		{name: "a field", payload: `{"a":1}`, set: "payload.a=2", want: `{"a":2}`},
		{name: "a new field", payload: `{"a":1}`, set: "payload.b=true", want: `{"a":1,"b":true}`},
		{name: "objects on the way", payload: `{}`, set: "payload.a.b.c=1", want: `{"a":{"b":{"c":1}}}`},
		{name: "in the place of null", payload: `null`, set: "payload.a[0]=1", want: `{"a":[1]}`},
		{name: "an empty payload", payload: ``, set: "payload.a=1", want: `{"a":1}`},
		{name: "an element", payload: `{"l":[{"t":"x"},{"t":"y"}]}`, set: "payload.l[1].t=z", want: `{"l":[{"t":"x"},{"t":"z"}]}`},
		{name: "one element more", payload: `[1]`, set: "payload[1]=2", want: `[1,2]`},
		{name: "a string without quotes", payload: `{}`, set: "payload.a=tea & <cake>", want: `{"a":"tea & <cake>"}`},
		{name: "a string in quotes", payload: `{}`, set: `payload.a="5"`, want: `{"a":"5"}`},
		{name: "an empty string", payload: `{}`, set: `payload.a=`, want: `{"a":""}`},
		{name: "an object", payload: `{}`, set: `payload.a={"b":[1]}`, want: `{"a":{"b":[1]}}`},
		{name: "a value with =", payload: `{}`, set: `payload.a=b=c`, want: `{"a":"b=c"}`},
		{name: "any name", payload: `{"a.b":1}`, set: `payload["a.b"]=2`, want: `{"a.b":2}`},
		{name: "a name with a bracket", payload: `{}`, set: `payload["]=\""]=2`, want: `{"]=\"":2}`},
		{name: "the whole", payload: `no json`, set: `payload={"a":1}`, want: `{"a":1}`},
		{name: "digits are kept", payload: `{"n":12345678901234567890.10,"a":1}`, set: `payload.a=2`, want: `{"a":2,"n":12345678901234567890.10}`},
		{name: "out of a field", payload: `{"a":1,"b":2}`, unset: "payload.a", want: `{"b":2}`},
		{name: "out of the middle", payload: `[1,2,3]`, unset: "payload[1]", want: `[1,3]`},
		{name: "what is not there", payload: `{"a":null,"l":[]}`, unset: "payload.b.c", want: `{"a":null,"l":[]}`},
		{name: "in what is null", payload: `{"a":null}`, unset: "payload.a.b", want: `{"a":null}`},
		{name: "an element that is not there", payload: `[1]`, unset: "payload[7].a", want: `[1]`},
		{name: "a field of a string", payload: `{"a":"x"}`, set: "payload.a.b=1", field: "payload.a"},
		{name: "an element of an object", payload: `{"a":{}}`, set: "payload.a[0]=1", field: "payload.a"},
		{name: "an element far behind", payload: `[1]`, set: "payload[3]=1", field: "payload[3]"},
		{name: "in what is no JSON", payload: `{`, set: "payload.a=1", field: "payload"},
	} {
		t.Run(c.name, func(t *testing.T) {
			edit, err := streams.ParseSet(c.set)
			if c.unset != "" {
				edit, err = streams.ParseUnset(c.unset)
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := streams.Apply([]byte(c.payload), edit)
			var invalid *tasks.InvalidError
			if c.field != "" && (!errors.As(err, &invalid) || invalid.Field != c.field) {
				t.Errorf("Apply(%s) = %s, %v, want field %s refused", c.payload, got, err, c.field)
			} else if c.field == "" && (err != nil || string(got) != c.want) {
				t.Errorf("Apply(%s) = %s, %v, want %s", c.payload, got, err, c.want)
			}
		})
	}
}

// An edit's value is each payload's own: a later edit of one changes no other.
func TestEditsShareNothing(t *testing.T) {
	t.Parallel()
	set := func(text string) streams.Edit {
		edit, err := streams.ParseSet(text)
		if err != nil {
			t.Fatal(err)
		}
		return edit
	}
	object, field := set(`payload.a={}`), set(`payload.a.b=1`)
	if got, err := streams.Apply([]byte(`{}`), object, field); err != nil || string(got) != `{"a":{"b":1}}` {
		t.Fatalf("both edits = %s, %v", got, err)
	}
	if got, err := streams.Apply([]byte(`{}`), object); err != nil || string(got) != `{"a":{}}` {
		t.Errorf("the first edit alone = %s, %v, want an empty object", got, err)
	}
}

func TestPathsThatLeadNowhereAreRefused(t *testing.T) {
	t.Parallel()
	deep := "payload" + strings.Repeat(".a", 65)
	for _, text := range []string{
		"", "a=1", "payload", "payload.=1", "payload..a=1", "payload.a", "payloadx=1", "payload[=1", "payload[-1]=1", "payload[a]=1",
		"payload[99999999]=1", `payload["a]=1`, `payload["a"=1`, "payload.a]=1", "payload.a[0=1", deep + "=1", "payload." + strings.Repeat("a", 2000) + ".b=1",
		`payload.a={"b":`, `payload.a="secret`, `payload.a=[secret`,
	} {
		_, err := streams.ParseSet(text)
		if err == nil || strings.Contains(err.Error(), "secret") || len(err.Error()) > 300 {
			t.Errorf("ParseSet(%.80q) = %v, want a short error without the value", text, err)
		}
	}
	for _, text := range []string{"", "payload", "payload.a=1", "a.b", "payload[x]"} {
		if _, err := streams.ParseUnset(text); err == nil {
			t.Errorf("ParseUnset(%q) = nil, want an error", text)
		}
	}
}

// Whatever a path is, an edit neither panics nor makes what is no payload.
func FuzzParseSet(f *testing.F) {
	f.Add("payload.a[0].b=1", `{"a":[{"b":2}]}`)
	f.Add(`payload["x"]["y"]=tea`, `null`)
	f.Add("payload=", `[]`)
	f.Add("payload[0][0]=[1", `[[1]]`)
	f.Fuzz(func(t *testing.T, text, payload string) {
		edit, err := streams.ParseSet(text)
		if err != nil {
			return
		}
		got, err := streams.Apply([]byte(payload), edit)
		if err == nil && !json.Valid(got) {
			t.Errorf("ParseSet(%q) makes %q of %q", text, got, payload)
		}
		if unset, err := streams.ParseUnset(strings.TrimSuffix(text, "=")); err == nil {
			if got, err := streams.Apply([]byte(payload), unset); err == nil && !json.Valid(got) {
				t.Errorf("ParseUnset(%q) makes %q of %q", text, got, payload)
			}
		}
	})
}
