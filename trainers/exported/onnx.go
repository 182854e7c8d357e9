package exported

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Limits of what is read of an ONNX file; the weights are stepped over.
const (
	maxText   = 16 << 20 // bytes of a text such as the metadata, and of all texts of an ONNX file
	maxProps  = 256
	maxValues = 4096     // inputs or outputs
	maxFields = 10 << 20 // nodes, weights and the like
	maxDims   = 64
	maxOpsets = 64
)

// ONNX is what an ONNX file says of itself.
// Source: onnx.proto3 of ONNX, messages ModelProto, GraphProto, ValueInfoProto.
type ONNX struct {
	IRVersion int64             `json:"ir_version"`
	Opset     int64             `json:"opset"`
	Producer  string            `json:"producer"`
	Inputs    []Value           `json:"inputs"`
	Outputs   []Value           `json:"outputs"`
	Props     map[string]string `json:"-"`
}

// Value is an input or output of a graph. A free dimension has its name, or is "?".
type Value struct {
	Name  string   `json:"name"`
	DType string   `json:"dtype"`
	Shape []string `json:"shape"`
}

// errNoONNX means that the bytes are no ONNX model.
var errNoONNX = errors.New("not an ONNX model")

// ReadONNX reads everything but the weights and the nodes.
func ReadONNX(r io.ReadSeeker) (*ONNX, error) {
	model := &ONNX{Props: map[string]string{}}
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	m := newMessage(r, size)
	seen := 0 // fields that a model must have
	err = m.each(func(f field) error {
		switch f.number {
		case 1:
			model.IRVersion = int64(f.value)
			seen |= 1
		case 2:
			return m.text(f, &model.Producer)
		case 7:
			seen |= 2
			return m.within(f, func(g *message) error { return model.graph(g) })
		case 8:
			seen |= 4
			return m.within(f, model.opset)
		case 14:
			return m.within(f, model.prop)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoONNX, err)
	}
	if seen != 7 {
		return nil, errNoONNX
	}
	return model, nil
}

func (o *ONNX) opset(m *message) error {
	domain, version := "", int64(0)
	err := m.each(func(f field) error {
		switch f.number {
		case 1:
			return m.text(f, &domain)
		case 2:
			version = int64(f.value)
		}
		return nil
	})
	if domain == "" || domain == "ai.onnx" {
		o.Opset = max(o.Opset, version)
	}
	return err
}

func (o *ONNX) prop(m *message) error {
	if len(o.Props) >= maxProps {
		return fmt.Errorf("more than %d metadata properties", maxProps)
	}
	var key, value string
	err := m.each(func(f field) error {
		switch f.number {
		case 1:
			return m.text(f, &key)
		case 2:
			return m.text(f, &value)
		}
		return nil
	})
	o.Props[key] = value
	return err
}

func (o *ONNX) graph(m *message) error {
	return m.each(func(f field) error {
		switch f.number {
		case 11:
			return m.within(f, func(v *message) error { return addValue(v, &o.Inputs) })
		case 12:
			return m.within(f, func(v *message) error { return addValue(v, &o.Outputs) })
		}
		return nil
	})
}

func addValue(m *message, to *[]Value) error {
	if len(*to) >= maxValues {
		return fmt.Errorf("more than %d inputs or outputs", maxValues)
	}
	value := Value{Shape: []string{}}
	err := m.each(func(f field) error {
		switch f.number {
		case 1:
			return m.text(f, &value.Name)
		case 2: // its type, of which field 1 is that of a tensor
			return m.within(f, func(t *message) error {
				return t.each(func(f field) error {
					if f.number != 1 {
						return nil
					}
					return t.within(f, value.tensor)
				})
			})
		}
		return nil
	})
	*to = append(*to, value)
	return err
}

// dtypes are the numbers of TensorProto.DataType that models use at their edges.
var dtypes = map[uint64]string{
	1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16",
}

func (v *Value) tensor(m *message) error {
	return m.each(func(f field) error {
		switch f.number {
		case 1:
			v.DType = dtypes[f.value]
		case 2:
			return m.within(f, func(s *message) error {
				return s.each(func(f field) error {
					if f.number != 1 {
						return nil
					}
					return s.within(f, v.dimension)
				})
			})
		}
		return nil
	})
}

func (v *Value) dimension(m *message) error {
	if len(v.Shape) >= maxDims {
		return fmt.Errorf("more than %d dimensions", maxDims)
	}
	dim := "?"
	err := m.each(func(f field) error {
		switch f.number {
		case 1:
			dim = fmt.Sprint(int64(f.value))
		case 2:
			var name string
			if err := m.text(f, &name); err != nil || name == "" {
				return err
			}
			dim = name
		}
		return nil
	})
	v.Shape = append(v.Shape, dim)
	return err
}

// message walks through a protobuf message without holding it.
type message struct {
	*source
	end int64
}

// source is the file with its place; all messages of a file share it, and the count of their fields and of the bytes of their texts.
type source struct {
	file   io.ReadSeeker
	buffer *bufio.Reader
	at     int64
	fields int
	texts  uint64
}

// field is one field: a number's value, or the length of what follows.
type field struct {
	number uint64
	kind   uint64
	value  uint64
	end    int64 // where the field ends
}

func newMessage(r io.ReadSeeker, size int64) *message {
	return &message{&source{file: r, buffer: bufio.NewReaderSize(r, 64<<10)}, size}
}

// ReadByte makes source a reader of varints.
func (s *source) ReadByte() (byte, error) {
	b, err := s.buffer.ReadByte()
	if err == nil {
		s.at++
	}
	return b, err
}

// skipTo goes forward; far jumps do not read what lies between.
func (s *source) skipTo(place int64) error {
	if distance := place - s.at; distance <= int64(s.buffer.Buffered()) {
		n, err := s.buffer.Discard(int(distance))
		s.at += int64(n)
		return err
	}
	if _, err := s.file.Seek(place, io.SeekStart); err != nil {
		return err
	}
	s.buffer.Reset(s.file)
	s.at = place
	return nil
}

// each calls visit for every field, and goes on behind it whatever visit read.
func (m *message) each(visit func(field) error) error {
	for m.at < m.end {
		if m.fields++; m.fields > maxFields {
			return fmt.Errorf("more than %d fields", maxFields)
		}
		f, err := m.next()
		if err != nil {
			return err
		}
		if err := visit(f); err != nil {
			return err
		}
		if err := m.skipTo(f.end); err != nil {
			return err
		}
	}
	return nil
}

func (m *message) next() (field, error) {
	tag, err := binary.ReadUvarint(m)
	if err != nil {
		return field{}, cut(err)
	}
	f := field{number: tag >> 3, kind: tag & 7}
	switch f.kind {
	case 0:
		f.value, err = binary.ReadUvarint(m)
		f.end = m.at
	case 1:
		f.end = m.at + 8
	case 2:
		f.value, err = binary.ReadUvarint(m)
		if f.value > math.MaxInt64/2 {
			return f, errors.New("a length is larger than any file")
		}
		f.end = m.at + int64(f.value)
	case 5:
		f.end = m.at + 4
	default:
		return f, fmt.Errorf("a field is of kind %d, which there is not", f.kind)
	}
	if err != nil {
		return f, cut(err)
	}
	if f.end > m.end {
		return f, errors.New("the file is cut short, or a length is wrong")
	}
	return f, nil
}

func (m *message) text(f field, to *string) error {
	if f.kind != 2 {
		return fmt.Errorf("field %d is no text", f.number)
	}
	if m.texts += f.value; m.texts > maxText {
		return fmt.Errorf("its texts are longer than %d bytes", maxText)
	}
	content := make([]byte, f.value)
	n, err := io.ReadFull(m.buffer, content)
	m.at += int64(n)
	*to = string(content)
	return cut(err)
}

func (m *message) within(f field, read func(*message) error) error {
	if f.kind != 2 {
		return fmt.Errorf("field %d is no message", f.number)
	}
	return read(&message{m.source, f.end})
}

func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
