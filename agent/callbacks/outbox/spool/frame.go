package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// MaxData is the most bytes that one record holds.
const MaxData = 16 << 20

// A Record is one entry of the log.
type Record struct {
	Seq        uint64 // greater than that of every record before it
	Supersedes uint64 // the waiting record whose place it takes, 0 for none
	Data       []byte
}

// ErrDamaged marks bytes that this package cannot have written, or the lack of
// some that it has.
var ErrDamaged = errors.New("damaged outbox store")

// A frame is: a magic, the CRC-32C of all that follows, so not of the magic, the length of the data,
// four zeros, the sequence, the superseded sequence (big endian all), the data,
// zeros up to the next multiple of frameAlign. Since frames begin at such
// multiples, whole ones are found again behind damage.
const (
	frameHead  = 4 + 4 + 4 + 4 + 8 + 8
	frameAlign = 8
)

type frameKind [4]byte

var (
	recordFrame  = frameKind{'t', 'a', 'r', 1} // a record
	deadFrame    = frameKind{'t', 'a', 'd', 1} // what was a record: it is superseded, and what says so is gone
	segmentFrame = frameKind{'t', 'a', 's', 1} // the head of a segment: its first sequence and its owner

	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// frameSize is what data of a length takes.
func frameSize(length int) int64 {
	return int64(frameHead+length+frameAlign-1) / frameAlign * frameAlign
}

// Encode returns the record as one frame, which Decode reads.
func Encode(r Record) []byte { return encode(recordFrame, r) }

func encode(kind frameKind, r Record) []byte {
	b := make([]byte, frameSize(len(r.Data)))
	copy(b, kind[:])
	binary.BigEndian.PutUint32(b[8:], uint32(len(r.Data)))
	binary.BigEndian.PutUint64(b[16:], r.Seq)
	binary.BigEndian.PutUint64(b[24:], r.Supersedes)
	copy(b[frameHead:], r.Data)
	binary.BigEndian.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
	return b
}

// Decode reads the record that b begins with. Its error is ErrDamaged.
func Decode(b []byte) (Record, error) {
	kind, r, _, err := decode(b)
	if err == nil && kind != recordFrame {
		err = fmt.Errorf("%w: no record is here", ErrDamaged)
	}
	return r, err
}

// decode reads the frame that b begins with and its size. The data are b's own.
func decode(b []byte) (kind frameKind, r Record, size int64, err error) {
	kind, r, length, err := decodeHead(b)
	if err != nil {
		return kind, Record{}, 0, err
	}
	size = frameSize(length)
	if int64(len(b)) < size {
		return kind, Record{}, 0, fmt.Errorf("%w: record %d is cut short", ErrDamaged, r.Seq)
	}
	if crc32.Checksum(b[8:size], castagnoli) != binary.BigEndian.Uint32(b[4:]) {
		return kind, Record{}, 0, fmt.Errorf("%w: record %d fails its checksum", ErrDamaged, r.Seq)
	}
	r.Data = b[frameHead : frameHead+length]
	return kind, r, size, nil
}

// decodeHead reads all but the data of a frame, unchecked.
func decodeHead(b []byte) (kind frameKind, r Record, length int, err error) {
	if len(b) < frameHead {
		return kind, r, 0, fmt.Errorf("%w: a record is cut short", ErrDamaged)
	}
	kind = frameKind(b[:4])
	n := binary.BigEndian.Uint32(b[8:])
	if (kind != recordFrame && kind != deadFrame && kind != segmentFrame) || n > MaxData {
		return kind, r, 0, fmt.Errorf("%w: no record begins here", ErrDamaged)
	}
	return kind, Record{Seq: binary.BigEndian.Uint64(b[16:]), Supersedes: binary.BigEndian.Uint64(b[24:])}, int(n), nil
}

// readFrame reads the next frame of a file.
func readFrame(from io.Reader) (kind frameKind, r Record, size int64, err error) {
	head := make([]byte, frameHead)
	if _, err := io.ReadFull(from, head); err != nil {
		return kind, r, 0, short(err)
	}
	_, r, length, err := decodeHead(head)
	if err != nil {
		return kind, r, 0, err
	}
	b := make([]byte, frameSize(length))
	copy(b, head)
	if _, err := io.ReadFull(from, b[frameHead:]); err != nil {
		return kind, r, 0, short(err)
	}
	return decode(b)
}

// short names the end of a file within a frame as damage.
func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: a record is cut short", ErrDamaged)
	}
	return err
}
