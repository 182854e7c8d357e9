package job

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
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

func TestTheFirstEventSaysWhatHasStarted(t *testing.T) {
	for _, previous := range []*PreviousRun{nil, {Code: contract.CodeHostOOM}} {
		events := NewEvents(slog.New(slog.DiscardHandler), time.Now, "")
		var said map[string]any
		events.Send(func(e contract.Event) {
			if err := json.Unmarshal(e.Data, &said); err != nil || e.EventType != contract.EventAgentStarted {
				t.Errorf("%s %v", e.EventType, err)
			}
		})
		events.Started(map[string]any{"nodes": 2}, previous)
		_, killed := said["previous_run"]
		if said["version"] != contract.Version || said["nodes"] != 2.0 || killed != (previous != nil) {
			t.Errorf("%v", said)
		}
	}
}

func TestAnEventThatWarnsIsAWarningInTheLog(t *testing.T) {
	for event, level := range map[contract.EventType]string{
		contract.EventResourceWarning: "WARN", contract.EventCheckpointUploadFailed: "WARN", contract.EventCheckpointSaved: "INFO",
	} {
		var log bytes.Buffer
		NewEvents(slog.New(slog.NewTextHandler(&log, nil)), time.Now, "").Emit(event, "it happened", nil)
		if !strings.Contains(log.String(), "level="+level) {
			t.Errorf("%s: %s", event, log.String())
		}
	}
}
