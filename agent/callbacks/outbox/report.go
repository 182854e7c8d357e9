package outbox

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/delivery"
	"github.com/vision-platform/trainer-agent/contract"
)

// rejectedSlot is the slot of our own event about refusals (the merging law, 3).
const rejectedSlot = "callback_rejected"

// rejectedData is the data of a callback_rejected event.
type rejectedData struct {
	Kind   contract.Kind `json:"kind"` // of the newest refused message
	Status int           `json:"status"`
	Answer string        `json:"answer"`
	Key    string        `json:"idempotency_key"`
	Count  int           `json:"count"` // messages that this event tells of
}

// reportRejected raises the one event of a refused message. A refused
// callback_rejected event raises none, or a backend that refuses events would
// be sent them for ever.
func (q intake) reportRejected(r record, key string, out delivery.Outcome, now time.Time) error {
	b, err := q.putRejected(r, key, out, now)
	if err == nil && b != nil {
		err = q.commit(b)
	}
	return err
}

// putRejected returns no batch for an event of its own, and none when the job has
// ended and nothing may follow.
func (q intake) putRejected(r record, key string, out delivery.Outcome, now time.Time) (*batch, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.counts.rejected++
	own := r.kind == contract.KindEvent && r.slot == rejectedSlot
	if own || q.closed || q.final.state != finalNone {
		return nil, nil
	}
	data := rejectedData{Kind: r.kind, Status: out.Status, Answer: excerpt(out.Reply), Key: key, Count: 1 + q.rejectedBefore()}
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	msg, err := contract.NewMessage(contract.KindEvent, contract.Event{
		EventType: contract.EventCallbackRejected,
		Message:   fmt.Sprintf("The backend refused a %s message with status %d.", r.kind, out.Status),
		Data:      raw, Timestamp: contract.At(now),
	}, now)
	if err != nil {
		return nil, err
	}
	_, b, err := q.put(recordOf(msg, rejectedSlot))
	return b, err
}

// rejectedBefore is the count in the event that still waits, 0 without one.
func (q intake) rejectedBefore() int {
	old, waits := q.index.slots[rejectedSlot]
	if !waits || !q.index.untried(old.seq) {
		return 0
	}
	r, err := q.journal.read(old.place)
	if err != nil {
		return 0
	}
	var event struct {
		Data rejectedData `json:"data"`
	}
	if json.Unmarshal(r.body, &event) != nil {
		return 0
	}
	return event.Data.Count
}
