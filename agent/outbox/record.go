package outbox

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

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

// errDamaged marks bytes that we cannot have written.
var errDamaged = errors.New("damaged outbox store")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const recordPrefix = 4 + 4 + 2 + 4 // CRC-32C, body length, head length, low half of the sequence

// encode lays a record out as: CRC-32C of all that follows, body length, head
// length, the sequence's low 32 bits, head (JSON), body.
func (r record) encode() ([]byte, error) {
	head, err := json.Marshal(recordHead{r.kind, r.at.UTC(), r.slot})
	if err != nil {
		return nil, fmt.Errorf("encoding a message: %w", err)
	}
	b := make([]byte, recordPrefix, recordPrefix+len(head)+len(r.body))
	binary.BigEndian.PutUint32(b[4:], uint32(len(r.body)))
	binary.BigEndian.PutUint16(b[8:], uint16(len(head)))
	binary.BigEndian.PutUint32(b[10:], uint32(r.seq))
	b = append(append(b, head...), r.body...)
	binary.BigEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
	return b, nil
}

// decodeRecord reads what encode wrote for the sequence, or says that it is damaged.
func decodeRecord(seq uint64, b []byte) (record, error) {
	if len(b) < recordPrefix || crc32.Checksum(b[4:], castagnoli) != binary.BigEndian.Uint32(b) {
		return record{}, fmt.Errorf("%w: message %d fails its checksum", errDamaged, seq)
	}
	bodyLen, headLen := int(binary.BigEndian.Uint32(b[4:])), int(binary.BigEndian.Uint16(b[8:]))
	rest := b[recordPrefix:]
	if len(rest) != headLen+bodyLen || binary.BigEndian.Uint32(b[10:]) != uint32(seq) {
		return record{}, fmt.Errorf("%w: message %d has the wrong length or place", errDamaged, seq)
	}
	var head recordHead
	if err := json.Unmarshal(rest[:headLen], &head); err != nil {
		return record{}, fmt.Errorf("%w: message %d: %w", errDamaged, seq, err)
	}
	return record{seq: seq, kind: head.Kind, at: head.At, slot: head.Slot, body: rest[headLen:]}, nil
}

// Large records are cut, because bbolt rewrites a whole leaf when one of its
// neighbours changes: an 8 MiB value would be copied with every heartbeat.
const chunkSize = 16 << 10

const keySize = 8 + 2 // sequence, chunk

func chunkKey(seq uint64, chunk int) []byte {
	k := make([]byte, keySize)
	binary.BigEndian.PutUint64(k, seq)
	binary.BigEndian.PutUint16(k[8:], uint16(chunk))
	return k
}

func splitKey(k []byte) (seq uint64, chunk int, err error) {
	if len(k) != keySize {
		return 0, 0, fmt.Errorf("%w: a key of %d bytes", errDamaged, len(k))
	}
	return binary.BigEndian.Uint64(k), int(binary.BigEndian.Uint16(k[8:])), nil
}
