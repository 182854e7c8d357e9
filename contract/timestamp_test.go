package contract

import (
	"encoding/json"
	"testing"
)

// A time that is taken can be written, and is the same when it is read again.
func FuzzTimestamp(f *testing.F) {
	f.Add([]byte(`"2025-01-10T12:34:56.123456789Z"`))
	f.Add([]byte(`"2025-01-10T12:34:56"`))
	f.Add([]byte(`"0000-01-01T00:00:00+23:59"`))
	f.Add([]byte(`"9999-12-31T23:59:59.999999999-23:59"`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var at, again Timestamp
		if json.Unmarshal(text, &at) != nil {
			return
		}
		written, err := json.Marshal(at)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatalf("%s was written as %s: %v", text, written, err)
		}
		if most := at.Sub(again.Time); most < 0 || most >= 1000 { // nanoseconds beyond the microseconds
			t.Errorf("%s was written as %s", text, written)
		}
	})
}
