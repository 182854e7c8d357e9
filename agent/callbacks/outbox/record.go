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

func recordOf(m contract.Message, slot string) record {
	return record{kind: m.Kind, at: m.Time, slot: slot, body: m.Body}
}

func (r record) message() contract.Message {
	return contract.Message{Kind: r.kind, Body: r.body, Time: r.at}
}

// What a record is, which its MAC is about too: one of the queue is no final message.
const (
	asQueued = "queued"
	asFinal  = "final"
	asKept   = "kept"
)

// recordHead is the part of a record that is not the body.
type recordHead struct {
	Kind contract.Kind `json:"k"`
	At   time.Time     `json:"t"`
	Slot string        `json:"s,omitempty"`
}

// encode lays a record out for the spool: the head's length in two bytes, the
// head (JSON), the MAC, the body. The spool adds the sequence and a checksum.
func (s *seal) encode(r record, as string) (spool.Record, error) {
	head, err := json.Marshal(recordHead{r.kind, r.at.UTC(), r.slot})
	if err != nil {
		return spool.Record{}, fmt.Errorf("encoding a message: %w", err)
	}
	b := make([]byte, 2, 2+len(head)+sealSize+len(r.body))
	binary.BigEndian.PutUint16(b, uint16(len(head)))
	b = append(append(b, head...), s.sum(as, r.seq, head, r.body)...)
	return spool.Record{Seq: r.seq, Data: append(b, r.body...)}, nil
}

// decode reads what encode made, and nothing else. Its error is spool.ErrDamaged.
func (s *seal) decode(raw spool.Record, as string) (record, error) {
	head, mac, body, err := split(raw)
	if err != nil {
		return record{}, err
	}
	if !s.holds(mac, as, raw.Seq, head, body) {
		return record{}, fmt.Errorf("%w: message %d was not written by the agent", spool.ErrDamaged, raw.Seq)
	}
	return parse(raw.Seq, head, body)
}

func split(raw spool.Record) (head, mac, body []byte, err error) {
	b := raw.Data
	if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b))+sealSize {
		return nil, nil, nil, fmt.Errorf("%w: message %d has no head", spool.ErrDamaged, raw.Seq)
	}
	cut := 2 + int(binary.BigEndian.Uint16(b))
	return b[2:cut], b[cut : cut+sealSize], b[cut+sealSize:], nil
}

func parse(seq uint64, head, body []byte) (record, error) {
	var h recordHead
	if err := json.Unmarshal(head, &h); err != nil {
		return record{}, fmt.Errorf("%w: message %d: %w", spool.ErrDamaged, seq, err)
	}
	return record{seq: seq, kind: h.Kind, at: h.At, slot: h.Slot, body: body}, nil
}

// childsWord reads a record whose MAC says nothing, because the key is lost: it is
// worth what the training script could have told the relay itself, and no more.
func childsWord(raw spool.Record) (r record, fit bool, err error) {
	head, mac, body, err := split(raw)
	if err != nil {
		return record{}, false, err
	}
	if !json.Valid(body) {
		body = append(append([]byte(nil), mac...), body...) // written before there were MACs
	}
	if r, err = parse(raw.Seq, head, body); err != nil {
		return record{}, false, err
	}
	return r, sayable(r.kind, r.body), nil
}

// sayable reports whether a training script could send the message itself.
func sayable(kind contract.Kind, body []byte) bool {
	payload, err := contract.Decode(kind, body)
	if err != nil || kind.Final() {
		return false
	}
	event, isEvent := payload.(contract.Event)
	return !isEvent || !event.EventType.OfAgent()
}
