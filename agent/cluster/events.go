package cluster

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

// passedOn are the events of a machine that does not lead which the backend should
// know of.
var passedOn = []contract.EventType{
	contract.EventGPUWarning, contract.EventGPUError, contract.EventResourceWarning, contract.EventHangSuspected, contract.EventPreviousRunKilled,
}

// PassOn gives an event of this machine's to node 0.
func (g *Group) PassOn(e contract.Event) {
	if m := g.member.Load(); m != nil && slices.Contains(passedOn, e.EventType) {
		m.Tell(Event{Type: e.EventType, Message: e.Message, Data: e.Data})
	}
}

// TakeOver makes an event of another machine's one of the job's; for Options.OnEvent.
func TakeOver(events *job.Events) func(rank int, e Event) {
	return func(rank int, e Event) {
		if !slices.Contains(passedOn, e.Type) {
			return
		}
		var data map[string]any
		if json.Unmarshal(e.Data, &data) != nil || data == nil {
			data = map[string]any{}
		}
		data["node"] = rank
		events.Emit(e.Type, fmt.Sprintf("Node %d: %s", rank, e.Message), data)
	}
}
