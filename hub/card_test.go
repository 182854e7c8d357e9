package hub

import (
	"encoding/json"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// Whatever a package and its upload say of themselves, a card is one that every list can show.
func FuzzCard(f *testing.F) {
	f.Add([]byte(`{"display_name": "Cells", "license": "MIT", "task_types": [{"name": "image_classification", "supported": true}, {"name": "x"}]}`), []byte(`{"description": "mine"}`))
	f.Add([]byte(`{"task_types": null}`), []byte(`{}`))
	f.Add([]byte(`[`), []byte(`{"display_name": 1}`))
	f.Fuzz(func(t *testing.T, capabilities, said []byte) {
		card, err := cardOf(capabilities, said)
		if err != nil {
			return
		}
		if card.Tasks == nil {
			t.Error("the tasks are null, the page expects a list")
		}
		text, err := json.Marshal(receipt{Card: card})
		if err != nil {
			t.Fatal(err)
		}
		var again receipt
		if err := json.Unmarshal(text, &again); err != nil || !same(again.Card, card) {
			t.Errorf("%+v was kept as %s (%v)", card, text, err)
		}
	})
}

// same compares what is shown; the words of JSON are valid UTF-8 already.
func same(a, b contract.Card) bool {
	return a.DisplayName == b.DisplayName && a.Description == b.Description && a.License == b.License && len(a.Tasks) == len(b.Tasks)
}
