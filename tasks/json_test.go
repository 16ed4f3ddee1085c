package tasks_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"sparkle/tasks"
)

func TestCheckJSONNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ data, want string }{
		"empty stands for null":          {"", ""},
		"an object":                      {`{"a":[1,2.5e3,"x"],"b":null}`, ""},
		"a lone value with spaces":       {" 7 ", ""},
		"brackets inside of strings":     {`"` + strings.Repeat("[{", 200) + `"`, ""},
		"an escaped quote":               {`"a\"[[` + strings.Repeat("[", 100) + `"`, ""},
		"as deep as allowed":             {strings.Repeat("[", 64) + strings.Repeat("]", 64), ""},
		"siblings add no depth":          {"[" + strings.Repeat("[],", 99) + "[]]", ""},
		"as large as allowed, read on":   {strings.Repeat("[", tasks.MaxPayload), "payload: nested deeper than 64"},
		"an exponent of three digits":    {`[1e999,1E-999,1e+307]`, ""},
		"e in words and keys":            {`{"1e123456":true,"e99999":false}`, ""},
		"too large":                      {`"` + strings.Repeat("x", tasks.MaxPayload-1) + `"`, "payload: 33554433 bytes are more than 33554432"},
		"too deep":                       {strings.Repeat("[", 65) + strings.Repeat("]", 65), "payload: nested deeper than 64"},
		"too deep and never closed":      {strings.Repeat(`{"a":`, 100), "payload: nested deeper than 64"},
		"spaces only":                    {"  ", "payload: not JSON at byte 2"},
		"not JSON":                       {`{"a":secret}`, "payload: not JSON at byte 6"},
		"cut off":                        {`{"a":"secret`, "payload: not JSON at byte 12"},
		"two values":                     {`{"a":1} {"secret":2}`, "payload: more than one JSON value: the second begins at byte 9"},
		"a bracket too many":             {`[1]]`, "payload: more than one JSON value: the second begins at byte 4"},
		"a number that takes an age":     {`{"a":1e999999}`, "payload: has a number whose exponent is longer than 3 digits"},
		"a small one that takes as long": {`[-12E-00001]`, "payload: has a number whose exponent is longer than 3 digits"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantInvalid(t, "CheckJSON", tasks.CheckJSON([]byte(row.data)), row.want)
		})
	}
}

// WantInvalid compares an error with the text of an InvalidError, "" for none.
func wantInvalid(t *testing.T, call string, err error, want string) {
	t.Helper()
	var invalid *tasks.InvalidError
	switch {
	case want == "" && err != nil:
		t.Errorf("%s = %v, want nil", call, err)
	case want == "":
	case err == nil:
		t.Errorf("%s = nil, want %q", call, want)
	case !errors.As(err, &invalid):
		t.Errorf("%s = %v (%T), want an InvalidError", call, err, err)
	case invalid.Error() != want:
		t.Errorf("%s = %q, want %q", call, invalid.Error(), want)
	}
	if err != nil && strings.Contains(err.Error(), "secret") {
		t.Errorf("%s = %q, which quotes the payload", call, err)
	}
}

func FuzzCheckJSON(f *testing.F) {
	for _, seed := range []string{"", "null", `{"a":[1,"x"]}`, "[[[[", `"\"`, `{"a":1}{}`, "1e9999", "\xff", `"\ud800"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := tasks.CheckJSON(data)
		if err == nil && len(data) > 0 && !json.Valid(data) {
			t.Errorf("CheckJSON(%q) = nil for what is no JSON", data)
		}
		if err == nil && depth(data) > tasks.MaxDepth {
			t.Errorf("CheckJSON(%q) = nil, deeper than %d", data, tasks.MaxDepth)
		}
		if invalid := (*tasks.InvalidError)(nil); err != nil && (!errors.As(err, &invalid) || invalid.Field != "payload") {
			t.Errorf("CheckJSON(%q) = %v, want an InvalidError of payload", data, err)
		}
	})
}

// Depth measures with the decoder's own tokens.
func depth(data []byte) int {
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	open, deepest := 0, 0
	for {
		token, err := decoder.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('['), json.Delim('{'):
			open++
			deepest = max(deepest, open)
		case json.Delim(']'), json.Delim('}'):
			open--
		}
	}
}
