package pyjson_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vision-platform/trainer-agent/agent/internal/pyjson"
)

func TestWhatPythonWritesBecomesJSON(t *testing.T) {
	for in, want := range map[string]string{
		`NaN`:                              `null`,
		`{"a":NaN,"b":[-Infinity, 1]}`:     `{"a":null,"b":[null, 1]}`,
		`[Infinity,1e999,-1e999,1e308]`:    `[null,null,null,1e308]`,
		"\xef\xbb\xbf[1]":                  `[1]`,
		`{"NaN":"NaN","x\"":"\\","y":NaN}`: `{"NaN":"NaN","x\"":"\\","y":null}`,
		`[1, 2]`:                           `[1, 2]`,
		`["open`:                           `["open`,
		`[NaNs, nan, +Infinity]`:           `[NaNs, nan, +null]`,
		``:                                 ``,
	} {
		got, none := pyjson.Clean([]byte(in))
		if string(got) != want || none != strings.Count(want, "null") {
			t.Errorf("%s: %s, %d numbers that are none; want %s", in, got, none, want)
		}
	}
}

func TestANumberThatIsNoneLeavesTheFieldAsItWas(t *testing.T) {
	v := struct{ Loss, Epoch float64 }{Loss: 5}
	if err := pyjson.Unmarshal([]byte(`{"loss": NaN, "epoch": 3}`), &v); err != nil || v.Loss != 5 || v.Epoch != 3 {
		t.Errorf("%+v, %v", v, err)
	}
	if err := pyjson.Unmarshal([]byte(`[NaN`), &v); err == nil {
		t.Error("half a list was read")
	}
}

// dump writes a value as Python does.
func dump(v any) string {
	switch v := v.(type) {
	case float64:
		switch {
		case math.IsNaN(v):
			return "NaN"
		case math.IsInf(v, 0):
			return strings.Replace(map[bool]string{true: "Infinity", false: "-Infinity"}[v > 0], "+", "", 1)
		}
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = dump(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	b, _ := json.Marshal(v)
	return string(b)
}

func TestEveryListThatPythonWritesIsReadBack(t *testing.T) {
	number := rapid.OneOf(rapid.Float64(), rapid.Just(math.NaN()), rapid.Just(math.Inf(1)), rapid.Just(math.Inf(-1)))
	rapid.Check(t, func(r *rapid.T) {
		var list []any
		none := 0
		for range rapid.IntRange(0, 8).Draw(r, "n") {
			if rapid.Bool().Draw(r, "text") {
				list = append(list, rapid.String().Draw(r, "s"))
				continue
			}
			v := number.Draw(r, "v")
			if math.IsNaN(v) || math.IsInf(v, 0) {
				none++
			}
			list = append(list, v)
		}
		clean, counted := pyjson.Clean([]byte(dump(list)))
		var back []any
		if err := json.Unmarshal(clean, &back); err != nil || len(back) != len(list) || counted != none {
			r.Fatalf("%s: %v, %d of %d, %d counted of %d", clean, err, len(back), len(list), counted, none)
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add([]byte(`{"a":[NaN,-Infinity,1e999,"NaN\\"]}`))
	f.Add([]byte("\xef\xbb\xbf\"\\"))
	f.Fuzz(func(t *testing.T, in []byte) {
		valid := json.Valid(in)
		clean, none := pyjson.Clean(in)
		if valid && !json.Valid(clean) {
			t.Errorf("%q was JSON and is %q", in, clean)
		}
		if again, more := pyjson.Clean(clean); more != 0 && json.Valid(clean) {
			t.Errorf("%q still has %d numbers that are none of %d: %q", clean, more, none, again)
		}
	})
}
