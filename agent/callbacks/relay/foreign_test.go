package relay

import (
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// A backend may read names in any case, as Go's encoding/json does.
func TestAFieldInAnotherCaseIsLeftOut(t *testing.T) {
	for given, want := range map[string]string{
		`{"event_type":"mine","EVENT_TYPE":"checkpoint_saved"}`: `{"event_type":"mine"}`,
		`{"epoch":1,"Epoch":1000000000,"SYSTEM":{}}`:            `{"epoch":1}`,
		`{"epoch":1,"source":"x","Source":"agent"}`:             `{"epoch":1}`,
	} {
		kind := contract.KindHeartbeat
		if strings.Contains(given, "event_type") {
			kind = contract.KindEvent
		}
		d, err := (checker{"job-1"}).decode(kind, []byte(given))
		if err != nil || string(d.bytes()) != want {
			t.Errorf("%s became %s, %v", given, d.bytes(), err)
		}
	}
}

func TestTheAgentsFieldsAreItsOwnAndOthersAreMarked(t *testing.T) {
	for given, want := range map[string]string{
		`{"epoch":1,"system":{"gpus":[]},"phase":"uploading","transfer":{}}`: `{"epoch":1,"progress":null,"metrics":{},"timestamp":"2026-01-02T12:00:00Z"}`,
		`{"epoch":1,"source":"agent"}`:                                       `{"epoch":1,"progress":null,"metrics":{},"timestamp":"2026-01-02T12:00:00Z"}`,
		`{"epoch":1,"lr":0.1,"source":"agent"}`:                              `{"epoch":1,"lr":0.1,"progress":null,"metrics":{},"timestamp":"2026-01-02T12:00:00Z","source":"trainer"}`,
	} {
		d, err := (checker{"job-1"}).decode(contract.KindHeartbeat, []byte(given))
		if err != nil {
			t.Fatal(err)
		}
		d.finish(contract.KindHeartbeat, noon)
		if got := string(d.bytes()); got != want {
			t.Errorf("%s became\n%s, want\n%s", given, got, want)
		}
	}
}
