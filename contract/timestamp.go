package contract

import (
	"encoding/json"
	"fmt"
	"time"
)

// Timestamp is RFC 3339 in UTC with "Z" and at most microseconds, which is what
// Python's datetime.fromisoformat reads.
type Timestamp struct{ time.Time }

// At makes a Timestamp.
func At(t time.Time) Timestamp { return Timestamp{t} }

// MarshalJSON writes "2025-01-10T12:34:56.123456Z".
func (t Timestamp) MarshalJSON() ([]byte, error) {
	return json.Marshal(t.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano))
}

// UnmarshalJSON reads RFC 3339, and the same without an offset (Python's
// utcnow().isoformat()), which is taken as UTC.
func (t *Timestamp) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		// An offset can lead out of the years that can be written, and Python has no year 0.
		if v, err := time.Parse(layout, s); err == nil && v.UTC().Year() >= 1 && v.UTC().Year() <= 9999 {
			t.Time = v.UTC()
			return nil
		}
	}
	return fmt.Errorf("timestamp %q is not RFC 3339, for example 2025-01-10T12:34:56Z", s)
}
