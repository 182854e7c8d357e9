package outbox

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/spool"
	"github.com/vision-platform/trainer-agent/contract"
)

// A record is a message with its place in the queue.
type record struct {
	seq  uint64
	kind contract.Kind
	at   time.Time
	slot string // set by AppendLatest
	body []byte
}

func (r record) message() contract.Message {
	return contract.Message{Kind: r.kind, Body: r.body, Time: r.at}
}

// recordHead is the part of a record that is not the body.
type recordHead struct {
	Kind contract.Kind `json:"k"`
	At   time.Time     `json:"t"`
	Slot string        `json:"s,omitempty"`
}

// encode lays a record out for the spool: the head's length in two bytes, the
// head (JSON), the body. The spool adds the sequence and a checksum.
func (r record) encode() (spool.Record, error) {
	head, err := json.Marshal(recordHead{r.kind, r.at.UTC(), r.slot})
	if err != nil {
		return spool.Record{}, fmt.Errorf("encoding a message: %w", err)
	}
	b := make([]byte, 2, 2+len(head)+len(r.body))
	binary.BigEndian.PutUint16(b, uint16(len(head)))
	return spool.Record{Seq: r.seq, Data: append(append(b, head...), r.body...)}, nil
}

// decodeRecord reads what encode made. Its error is spool.ErrDamaged.
func decodeRecord(raw spool.Record) (record, error) {
	b := raw.Data
	if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
		return record{}, fmt.Errorf("%w: message %d has no head", spool.ErrDamaged, raw.Seq)
	}
	cut := 2 + int(binary.BigEndian.Uint16(b))
	var head recordHead
	if err := json.Unmarshal(b[2:cut], &head); err != nil {
		return record{}, fmt.Errorf("%w: message %d: %w", spool.ErrDamaged, raw.Seq, err)
	}
	return record{seq: raw.Seq, kind: head.Kind, at: head.At, slot: head.Slot, body: b[cut:]}, nil
}
