package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Object is a JSON object, kept as it was written.
type Object json.RawMessage

// Decode implements envconfig.Decoder. A key that stands twice in one object is
// refused: of its two values every reader takes the one it likes.
func (o *Object) Decode(v string) error {
	var m map[string]any
	if err := json.Unmarshal([]byte(v), &m); err != nil || m == nil {
		return fmt.Errorf("expected a JSON object")
	}
	dec := json.NewDecoder(strings.NewReader(v))
	if key := duplicateKey(dec, nil); key != nil {
		return reason{fmt.Errorf("the key %q stands in it twice", strings.Join(key, "."))}
	}
	*o = Object(v)
	return nil
}

// duplicateKey reads one value of JSON that is known to be valid, and returns the path
// of the first key that stands twice in its object. Valid also means not too deep.
func duplicateKey(dec *json.Decoder, above []string) []string {
	token, _ := dec.Token()
	seen := map[string]bool{}
	for inside := above; (token == json.Delim('{') || token == json.Delim('[')) && dec.More(); {
		if token == json.Delim('{') {
			name, _ := dec.Token()
			key, _ := name.(string)
			inside = append(slices.Clone(above), key)
			if seen[key] {
				return inside
			}
			seen[key] = true
		}
		if found := duplicateKey(dec, inside); found != nil {
			return found
		}
	}
	if token == json.Delim('{') || token == json.Delim('[') {
		_, _ = dec.Token() // what closes it
	}
	return nil
}
