package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"syscall"

	bolt "go.etcd.io/bbolt/errors"

	"github.com/vision-platform/trainer-agent/contract"
)

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
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, bolt.ErrMaxSizeReached) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// merge applies the law of the package comment: it returns the waiting records
// that r takes the place of, and their bytes, and may change r's body.
func (o *Outbox) merge(r *record) (drop []uint64, bytes int64, err error) {
	if seq, waits := o.slots[r.slot]; r.slot != "" && waits && o.untried(seq) {
		old, found, err := o.store.first(seq)
		if err == nil && found && old.seq == seq {
			return []uint64{seq}, int64(len(old.body)), nil
		}
		return nil, 0, ignoreDamage(err)
	}
	if r.kind != contract.KindHeartbeat || r.slot != "" || o.depth < mergeAfter {
		return nil, 0, nil
	}
	seq, err := o.store.last()
	if err != nil || seq == 0 || !o.untried(seq) {
		return nil, 0, ignoreDamage(err)
	}
	old, found, err := o.store.first(seq)
	if err != nil || !found || old.kind != contract.KindHeartbeat || old.slot != "" {
		return nil, 0, ignoreDamage(err)
	}
	body, ok := mergeHeartbeats(old.body, r.body)
	if !ok {
		return nil, 0, nil
	}
	r.body = body
	return []uint64{seq}, int64(len(old.body)), nil
}

// ignoreDamage leaves damage to the write that follows, which repairs it.
func ignoreDamage(err error) error {
	if errors.Is(err, errDamaged) {
		return nil
	}
	return err
}

// untried reports whether a waiting sequence has never been sent.
func (o *Outbox) untried(seq uint64) bool { return seq != o.trying && seq >= o.done }

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
