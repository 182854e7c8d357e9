package exported

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
)

// The parts of a protobuf message, as ONNX writes them.
func number(field int, value uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(field)<<3), value)
}

func chunk(field int, content ...[]byte) []byte {
	all := bytes.Join(content, nil)
	return append(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(field)<<3|2), uint64(len(all))), all...)
}

func text(field int, s string) []byte { return chunk(field, []byte(s)) }

func value(field int, name string, dtype uint64, dims ...[]byte) []byte {
	shape := [][]byte{}
	for _, dim := range dims {
		shape = append(shape, chunk(1, dim))
	}
	return chunk(field, text(1, name), chunk(2, chunk(1, number(1, dtype), chunk(2, shape...))))
}

// model is a small ONNX file with weights of the given size between its parts.
func model(weights int) []byte {
	graph := chunk(7,
		chunk(1, text(4, "Conv")), chunk(5, chunk(9, make([]byte, weights))),
		value(11, "image", 2, text(2, "height"), text(2, "width"), number(1, 3)),
		value(12, "boxes", 1, number(1, 300), number(1, 4)), value(12, "free", 7, nil),
	)
	return bytes.Join([][]byte{
		number(1, 10), text(2, "pytorch"), graph, chunk(8, number(2, 18)), chunk(8, text(1, "ai.onnx.ml"), number(2, 99)),
		chunk(14, text(1, "metadata"), text(2, `{"schema_version": 1}`)),
	}, nil)
}

func TestAnONNXFileSaysWhatItIs(t *testing.T) {
	for _, weights := range []int{0, 1000, 3 << 20} {
		found, err := ReadONNX(bytes.NewReader(model(weights)))
		if err != nil {
			t.Fatal(err)
		}
		if found.IRVersion != 10 || found.Opset != 18 || found.Producer != "pytorch" || found.Props["metadata"] != `{"schema_version": 1}` {
			t.Errorf("weights of %d bytes: %+v", weights, found)
		}
		in, out := found.Inputs[0], found.Outputs
		if in.Name != "image" || in.DType != "uint8" || strings.Join(in.Shape, " ") != "height width 3" {
			t.Errorf("input %+v", in)
		}
		if out[0].DType != "float32" || strings.Join(out[0].Shape, " ") != "300 4" || out[1].DType != "int64" || strings.Join(out[1].Shape, " ") != "?" {
			t.Errorf("outputs %+v", out)
		}
	}
}

func TestWhatIsNoONNXIsRefused(t *testing.T) {
	whole := model(100)
	with := func(more []byte) []byte { return slices.Concat(whole, more) } // a model, but for this
	if _, err := ReadONNX(bytes.NewReader(with(nil))); err != nil {
		t.Fatal(err)
	}
	cases := map[string][]byte{
		"nothing": nil, "text": []byte("<html>not found</html>"), "zip": []byte("PK\x03\x04 and more"), "cut short": whole[:len(whole)-30],
		"cut in the weights":        whole[:60],
		"a length beyond the file":  with([]byte{0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f}),
		"a length beyond numbers":   with([]byte{0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}),
		"a graph that is a number":  with(number(7, 5)),
		"a text that is too long":   with(chunk(14, text(2, strings.Repeat("x", maxText+1)))),
		"texts that are too long":   with(bytes.Repeat(chunk(14, text(2, strings.Repeat("x", maxText/4))), 4)),
		"too many inputs":           with(chunk(7, bytes.Repeat(value(11, "x", 1), maxValues))),
		"a part longer than whole":  with(chunk(7, []byte{0x5a, 0x7f})),
		"only a version and opsets": append(number(1, 1), chunk(8, number(2, 18))...),
	}
	for name, content := range cases {
		if _, err := ReadONNX(bytes.NewReader(content)); !errors.Is(err, errNoONNX) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadONNX(f *testing.F) {
	f.Add(model(0))
	f.Add(model(70_000))
	f.Fuzz(func(t *testing.T, content []byte) {
		found, err := ReadONNX(bytes.NewReader(content))
		if err == nil && (len(found.Inputs) > maxValues || len(found.Props) > maxProps) {
			t.Errorf("limits are passed: %d inputs, %d properties", len(found.Inputs), len(found.Props))
		}
	})
}
