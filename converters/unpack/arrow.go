package unpack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	flatbuffers "github.com/google/flatbuffers/go"
)

// The numbers of Arrow's format (Message.fbs and Schema.fbs of its specification):
// kinds of messages, kinds of types, and the slots of its tables.
const (
	messageSchema, messageBatch = 1, 3

	typeNull, typeInt, typeFloat, typeBinary, typeText, typeBool = 1, 2, 3, 4, 5, 6
	typeList, typeStruct, typeUnion, typeFixedList, typeMap      = 12, 13, 14, 16, 17
	typeLargeBinary, typeLargeText, typeLargeList                = 19, 20, 21
	typeNewest                                                   = 21

	slot0, slot1, slot2, slot3, slot5 = 4, 6, 8, 10, 14
	slotDictionary                    = 12
)

// arrowFile reads the stream format of Arrow, as save_to_disk writes it.
type arrowFile struct {
	in     io.Reader
	left   int64 // bytes of the file that were not read
	fields []field
	meta   string // the library's features
}

// field is a column, or a part of one.
type field struct {
	name     string
	kind     byte
	bits     int // of a number
	signed   bool
	size     int // of a list whose lists are all as long
	indexed  bool
	children []field
}

func openArrow(f *os.File) (*arrowFile, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	a := &arrowFile{in: f, left: info.Size()}
	kind, t, _, err := a.message()
	if err != nil {
		return nil, err
	}
	if kind != messageSchema {
		return nil, errors.New("it does not begin with a schema")
	}
	schema := &schema{left: maxFields}
	for i := range vectorLen(t, slot1) {
		one, err := schema.field(vectorTable(t, slot1, i), 0)
		if err != nil {
			return nil, err
		}
		a.fields = append(a.fields, one)
	}
	for i := range vectorLen(t, slot2) {
		if kv := vectorTable(t, slot2, i); text(kv, slot0) == metadataKey {
			a.meta = text(kv, slot1)
		}
	}
	return a, nil
}

// message reads the next one; the kind is 0 at the end.
func (a *arrowFile) message() (kind byte, header *flatbuffers.Table, body []byte, err error) {
	length, err := a.length()
	if err != nil || length == 0 {
		return 0, nil, nil, err
	}
	meta, err := a.take(int64(length))
	if err != nil {
		return 0, nil, nil, err
	}
	m := &flatbuffers.Table{Bytes: meta, Pos: flatbuffers.GetUOffsetT(meta)}
	if body, err = a.take(m.GetInt64Slot(slot3, 0)); err != nil {
		return 0, nil, nil, err
	}
	return m.GetByteSlot(slot1, 0), table(m, slot2), body, nil
}

// length is that of the next message's metadata: after a mark, without one in files of
// before 2019.
func (a *arrowFile) length() (uint32, error) {
	for range 2 {
		word, err := a.take(4)
		if errors.Is(err, io.EOF) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		if n := binary.LittleEndian.Uint32(word); n != math.MaxUint32 {
			return n, nil
		}
	}
	return 0, errors.New("a message has no length")
}

// take reads so many bytes, which the file has.
func (a *arrowFile) take(n int64) ([]byte, error) {
	if a.left == 0 && n > 0 {
		return nil, io.EOF
	}
	if n < 0 || n > a.left {
		return nil, fmt.Errorf("it ends before its %d bytes: %w", n, io.ErrUnexpectedEOF)
	}
	a.left -= n
	b := make([]byte, n)
	_, err := io.ReadFull(a.in, b)
	return b, err
}

// maxNested bounds how deep types are within each other, maxFields how many there are
// of all: a few bytes can say the same one again and again, on every level.
const (
	maxNested = 16
	maxFields = 10_000
)

// schema reads the types of a file's columns.
type schema struct{ left int }

func (s *schema) field(t *flatbuffers.Table, level int) (f field, err error) {
	if s.left--; s.left < 0 {
		return f, fmt.Errorf("it has more than %d columns and parts of columns", maxFields)
	}
	if level > maxNested {
		return f, errors.New("its types are nested too deep")
	}
	f = field{name: text(t, slot0), kind: t.GetByteSlot(slot2, 0), indexed: t.Offset(slotDictionary) != 0}
	if of := table(t, slot3); of != nil {
		switch f.kind {
		case typeInt:
			f.bits, f.signed = int(of.GetInt32Slot(slot0, 0)), of.GetBoolSlot(slot1, false)
		case typeFloat:
			f.bits = 16 << of.GetInt16Slot(slot0, 0)
		case typeFixedList:
			f.size = int(of.GetInt32Slot(slot0, 0))
		}
	}
	if f.kind == typeUnion || f.kind > typeNewest {
		return f, fmt.Errorf("the column %s is of a type that is not read here", f.name)
	}
	for i := range vectorLen(t, slot5) {
		child, err := s.field(vectorTable(t, slot5, i), level+1)
		if err != nil {
			return f, err
		}
		f.children = append(f.children, child)
	}
	return f, nil
}

// maxValues bounds the values of one row: a few bytes can say a list of two thousand
// million nulls.
const maxValues = 1 << 20

// each gives the columns of these names alone.
func (a *arrowFile) each(names []string, take func(map[string]any) error) error {
	for {
		kind, t, body, err := a.message()
		if err != nil || kind == 0 {
			return err
		}
		if kind != messageBatch {
			continue
		}
		if t.Offset(slot3) != 0 {
			return errors.New("it is compressed, which is not read here")
		}
		b := &batch{t: t, body: body, left: new(int)}
		var columns []array
		for _, f := range a.fields {
			if c := b.array(f); slices.Contains(names, f.name) {
				columns = append(columns, c)
			}
		}
		for row := range int(t.GetInt64Slot(slot0, 0)) {
			*b.left = maxValues
			values := make(map[string]any, len(columns))
			for _, c := range columns {
				values[c.name] = c.value(row)
			}
			if err := take(values); err != nil {
				return err
			}
		}
	}
}

// batch hands out the buffers of a record batch in their order.
type batch struct {
	t      *flatbuffers.Table
	body   []byte
	buffer int
	left   *int // values that the row may still have
}

func (b *batch) next() []byte {
	at := b.t.Vector(flatbuffers.UOffsetT(b.t.Offset(slot2))) + flatbuffers.UOffsetT(16*b.buffer)
	b.buffer++
	from, length := b.t.GetInt64(at), b.t.GetInt64(at+8)
	return b.body[from : from+length]
}

// array is a column's values in one batch.
type array struct {
	field
	valid, offsets, data []byte
	parts                []array
	left                 *int
}

func (b *batch) array(f field) array {
	a := array{field: f, left: b.left}
	if f.kind == typeNull {
		return a
	}
	a.valid = b.next()
	switch {
	case f.indexed:
		a.data = b.next()
		return a
	case f.kind == typeBinary || f.kind == typeText || f.kind == typeLargeBinary || f.kind == typeLargeText:
		a.offsets, a.data = b.next(), b.next()
	case f.kind == typeList || f.kind == typeLargeList || f.kind == typeMap:
		a.offsets = b.next()
	case f.kind != typeStruct && f.kind != typeFixedList:
		a.data = b.next()
	}
	for _, child := range f.children {
		a.parts = append(a.parts, b.array(child))
	}
	return a
}

// value is a value as each gives it; nil for null and for types that no task uses.
func (a array) value(i int) any {
	if *a.left--; *a.left < 0 {
		panic(fmt.Sprintf("a row has more than %d values", maxValues))
	}
	if a.indexed || len(a.valid) > 0 && a.valid[i/8]&(1<<(i%8)) == 0 {
		return nil
	}
	switch a.kind {
	case typeStruct:
		m := make(map[string]any, len(a.parts))
		for _, p := range a.parts {
			m[p.name] = p.value(i)
		}
		return m
	case typeList, typeLargeList:
		from, to := a.span(i, a.kind == typeLargeList)
		return a.parts[0].list(from, to)
	case typeFixedList:
		return a.parts[0].list(i*a.size, (i+1)*a.size)
	case typeBinary, typeLargeBinary:
		from, to := a.span(i, a.kind == typeLargeBinary)
		return a.data[from:to]
	case typeText, typeLargeText:
		from, to := a.span(i, a.kind == typeLargeText)
		return string(a.data[from:to])
	case typeBool:
		return a.data[i/8]&(1<<(i%8)) != 0
	case typeInt:
		return a.whole(i)
	case typeFloat:
		switch a.bits {
		case 32:
			return float64(math.Float32frombits(binary.LittleEndian.Uint32(a.data[4*i:])))
		case 64:
			return math.Float64frombits(binary.LittleEndian.Uint64(a.data[8*i:]))
		}
	}
	return nil
}

func (a array) list(from, to int) []any {
	list := make([]any, 0, max(0, min(to-from, 1<<16)))
	for i := from; i < to; i++ {
		list = append(list, a.value(i))
	}
	return list
}

func (a array) span(i int, large bool) (from, to int) {
	if large {
		return int(binary.LittleEndian.Uint64(a.offsets[8*i:])), int(binary.LittleEndian.Uint64(a.offsets[8*i+8:]))
	}
	return int(binary.LittleEndian.Uint32(a.offsets[4*i:])), int(binary.LittleEndian.Uint32(a.offsets[4*i+4:]))
}

func (a array) whole(i int) any {
	switch {
	case a.bits == 8 && a.signed:
		return int64(int8(a.data[i]))
	case a.bits == 8:
		return int64(a.data[i])
	case a.bits == 16 && a.signed:
		return int64(int16(binary.LittleEndian.Uint16(a.data[2*i:])))
	case a.bits == 16:
		return int64(binary.LittleEndian.Uint16(a.data[2*i:]))
	case a.bits == 32 && a.signed:
		return int64(int32(binary.LittleEndian.Uint32(a.data[4*i:])))
	case a.bits == 32:
		return int64(binary.LittleEndian.Uint32(a.data[4*i:]))
	case a.bits == 64:
		return int64(binary.LittleEndian.Uint64(a.data[8*i:]))
	}
	return nil
}

// What a table of flatbuffers has in a slot.

func table(t *flatbuffers.Table, slot flatbuffers.VOffsetT) *flatbuffers.Table {
	o := flatbuffers.UOffsetT(t.Offset(slot))
	if o == 0 {
		return nil
	}
	return &flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(o + t.Pos)}
}

func text(t *flatbuffers.Table, slot flatbuffers.VOffsetT) string {
	o := flatbuffers.UOffsetT(t.Offset(slot))
	if o == 0 {
		return ""
	}
	return string(t.ByteVector(o + t.Pos))
}

func vectorLen(t *flatbuffers.Table, slot flatbuffers.VOffsetT) int {
	o := flatbuffers.UOffsetT(t.Offset(slot))
	if o == 0 {
		return 0
	}
	return t.VectorLen(o)
}

func vectorTable(t *flatbuffers.Table, slot flatbuffers.VOffsetT, i int) *flatbuffers.Table {
	at := t.Vector(flatbuffers.UOffsetT(t.Offset(slot))) + flatbuffers.UOffsetT(4*i)
	return &flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(at)}
}
