package job

import (
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestACallbackIsDecodedOnceForAllWhoListen(t *testing.T) {
	var bus Bus
	var heard []any
	for range 2 {
		bus.Listen(func(m contract.Message) { heard = append(heard, m.Payload) })
	}
	bus.Publish(contract.Message{Kind: contract.KindHeartbeat, Body: []byte(`{"epoch":3}`)})
	for _, payload := range heard {
		if beat, ok := payload.(contract.Heartbeat); !ok || beat.Epoch != 3 {
			t.Errorf("heard %#v", payload)
		}
	}
	if len(heard) != 2 {
		t.Errorf("%d listeners heard it", len(heard))
	}
}

func TestEveryEventNamesTheSnapshot(t *testing.T) {
	for id, want := range map[string]string{"": `{"bytes":1}`, "s-1": `{"bytes":1,"snapshot_id":"s-1"}`} {
		events := NewEvents(slog.New(slog.DiscardHandler), time.Now, id)
		var got []contract.Event
		events.Send(func(e contract.Event) { got = append(got, e) })
		events.Emit(contract.EventStopping, "it stops", map[string]any{"bytes": 1})
		events.Emit(contract.EventStopping, "it stops", nil)
		if len(got) != 2 || string(got[0].Data) != want || !json.Valid(got[1].Data) || got[1].Data[0] != '{' {
			t.Errorf("%+v", got)
		}
	}
}
