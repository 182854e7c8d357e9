package trackers

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxBoard bounds the event file: it is uploaded at the end, as a whole.
const maxBoard = 64 << 20 // bytes

// board is an event file of TensorBoard: records of TFRecord, of which each is an Event
// (tensorflow/core/util/event.proto) with one scalar.
type board struct {
	path string
	file *os.File
	size int64
}

// begin leaves the file to the first points: the workspace is not there yet, or another
// agent's, and who makes its folders decides who may enter them.
func (b *board) begin(context.Context) error { return nil }

// open makes the file.
func (b *board) open() error {
	if err := os.MkdirAll(filepath.Dir(b.path), 0o700); err != nil {
		return refusal{err}
	}
	file, err := os.OpenFile(b.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return refusal{err}
	}
	b.file = file
	version := protowire.AppendString(protowire.AppendTag(event(time.Now(), 0), 3, protowire.BytesType), "brain.Event:2")
	return b.write(record(nil, version))
}

func (b *board) log(_ context.Context, points []point) error {
	if b.file == nil {
		if err := b.open(); err != nil {
			return err
		}
	}
	var out []byte
	for _, p := range points {
		value := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), p.name)
		value = protowire.AppendFixed32(protowire.AppendTag(value, 2, protowire.Fixed32Type), math.Float32bits(float32(p.value)))
		summary := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), value)
		out = record(out, protowire.AppendBytes(protowire.AppendTag(event(p.at, p.epoch), 5, protowire.BytesType), summary))
	}
	return b.write(out)
}

func (b *board) write(records []byte) error {
	if b.size += int64(len(records)); b.size > maxBoard {
		return refusal{fmt.Errorf("the event file has %d MiB", maxBoard>>20)}
	}
	if _, err := b.file.Write(records); err != nil {
		b.size = maxBoard // a torn record ends the file for its readers
		return refusal{err}
	}
	return nil
}

func (b *board) end(context.Context, status) error {
	if b.file == nil {
		return nil
	}
	if err := errors.Join(b.file.Sync(), b.file.Close()); err != nil {
		return refusal{err}
	}
	return nil
}

// event begins an Event: its time and its step.
func event(at time.Time, step int) []byte {
	out := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), math.Float64bits(float64(at.UnixNano())/1e9))
	return protowire.AppendVarint(protowire.AppendTag(out, 2, protowire.VarintType), uint64(step))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is the checksum of TFRecord.
func masked(b []byte) uint32 {
	sum := crc32.Checksum(b, castagnoli)
	return (sum>>15 | sum<<17) + 0xa282ead8
}

// record appends data as a TFRecord: length, checksum of it, data, checksum of it.
func record(out, data []byte) []byte {
	length := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	out = append(out, length...)
	out = binary.LittleEndian.AppendUint32(out, masked(length))
	out = append(out, data...)
	return binary.LittleEndian.AppendUint32(out, masked(data))
}
