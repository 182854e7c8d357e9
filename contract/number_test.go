package contract

import (
	"encoding/json"
	"testing"
)

// A metric of the wrong type comes from the child, so its error is printed.
func TestNumberOfTheWrongTypeIsAPrintableError(t *testing.T) {
	var m Metrics
	if err := json.Unmarshal([]byte(`{"loss": "low"}`), &m); err == nil || err.Error() == "" {
		t.Errorf("got %v, want an error", err)
	}
}
