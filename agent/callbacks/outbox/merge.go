package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"syscall"

	"github.com/vision-platform/trainer-agent/contract"
)

// maxSuperseded bounds the superseded messages whose place in the spool is not
// yet given back; above it nothing is merged.
const maxSuperseded = 1 << 16

// replaceable reports whether a later message of the kind makes up for a lost one.
func replaceable(k contract.Kind) bool {
	switch k {
	case contract.KindHeartbeat, contract.KindInferenceProgress, contract.KindExportProgress:
		return true
	}
	return false
}

// refusal names a full disk as ErrFull.
func refusal(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// merge applies the law of the package comment: it returns the waiting message
// that r takes the place of, and may change r's body. Damage is left to the
// sender, which comes by it too and repairs it.
func (q *queue) merge(r *record) (old entry, merged bool) {
	if q.journal.store.Superseded() >= maxSuperseded {
		return entry{}, false
	}
	if r.slot != "" {
		old, waits := q.index.slots[r.slot]
		if waits && q.index.untried(old.seq) {
			return old, true
		}
		return entry{}, false
	}
	old = q.index.newest
	if r.kind != contract.KindHeartbeat || old.kind != contract.KindHeartbeat || old.slot != "" ||
		q.journal.store.Waiting() < mergeAfter || !q.index.untried(old.seq) {
		return entry{}, false
	}
	earlier, err := q.journal.read(old.place)
	if err != nil {
		return entry{}, false
	}
	body, ok := mergeHeartbeats(earlier.body, r.body)
	if !ok {
		return entry{}, false
	}
	r.body = body
	return old, true
}

// mergeHeartbeats makes one heartbeat of two of the same epoch: the metrics of
// both, the later value where both have it, everything else of the later. It
// reports false when they are of different epochs or not heartbeats.
func mergeHeartbeats(earlier, later []byte) (merged []byte, ok bool) {
	type body struct {
		Epoch   *int                       `json:"epoch"`
		Metrics map[string]json.RawMessage `json:"metrics"`
	}
	var a, b body
	if json.Unmarshal(earlier, &a) != nil || json.Unmarshal(later, &b) != nil {
		return nil, false
	}
	if a.Epoch == nil || b.Epoch == nil || *a.Epoch != *b.Epoch {
		return nil, false
	}
	var out map[string]json.RawMessage
	if json.Unmarshal(later, &out) != nil {
		return nil, false
	}
	if a.Metrics == nil {
		a.Metrics = map[string]json.RawMessage{}
	}
	maps.Copy(a.Metrics, b.Metrics)
	metrics, err := json.Marshal(a.Metrics)
	if err != nil {
		return nil, false
	}
	out["metrics"] = metrics
	merged, err = json.Marshal(out)
	return merged, err == nil
}
