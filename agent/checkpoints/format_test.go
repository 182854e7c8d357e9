package checkpoints

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
)

// onnxFile is a ModelProto: ir_version, a graph of size bytes, an opset.
func onnxFile(size int) []byte {
	out := []byte{0x08, 0x08, 0x3a}
	out = binary.AppendUvarint(out, uint64(size))
	out = append(out, noise(size, 5)...)
	return append(out, 0x42, 0x02, 0x10, 0x11)
}

// hdf5File has the superblock of version v and says that it ends at size.
func hdf5File(v byte, size int) []byte {
	out := append([]byte("\x89HDF\r\n\x1a\n"), make([]byte, size-8)...)
	out[8] = v
	if v >= 2 {
		out[9], out[10] = 8, 8
	} else {
		out[13], out[14] = 8, 8
	}
	binary.LittleEndian.PutUint64(out[map[byte]int{0: 40, 1: 44, 2: 28, 3: 28}[v]:], uint64(size))
	return out
}

// zip64Torch rewrites a torch file so that only its zip64 record tells the
// truth, as that of a file above 4 GiB.
func zip64Torch(t *testing.T) []byte {
	body := torchFile(t, 1000, 1, ultralyticsPickle(1))
	eocd := slices.Clone(body[len(body)-22:])
	length, offset := binary.LittleEndian.Uint32(eocd[12:]), binary.LittleEndian.Uint32(eocd[16:])
	record := make([]byte, 76)
	copy(record, "PK\x06\x06")
	binary.LittleEndian.PutUint64(record[40:], uint64(length))
	binary.LittleEndian.PutUint64(record[48:], uint64(offset))
	copy(record[56:], "PK\x06\x07")
	binary.LittleEndian.PutUint32(eocd[12:], 0xFFFFFFFF)
	binary.LittleEndian.PutUint32(eocd[16:], 0xFFFFFFFF)
	return slices.Concat(body[:len(body)-22], record, eocd)
}

func TestAFileIsWholeAndEveryCutOfItIsNot(t *testing.T) {
	for name, body := range map[string][]byte{
		"torch.pt":          torchFile(t, 3000, 1, ultralyticsPickle(1)),
		"large.pt":          zip64Torch(t),
		"model.safetensors": safetensorsFile(t, 3000, 2),
		"model.onnx":        onnxFile(3000),
		"v0.h5":             hdf5File(0, 3000),
		"v1.h5":             hdf5File(1, 3000),
		"v2.h5":             hdf5File(2, 3000),
		"images.json":       []byte(`{"images": [{"id": 1}, {"id": 2}` + "\n]}"),
	} {
		if got := inspect(bytes.NewReader(body), int64(len(body)), name); got != whole {
			t.Errorf("%s: %v, want whole", name, got)
		}
		for n := range len(body) - 1 {
			if got := inspect(bytes.NewReader(body[:n]), int64(n), name); got == whole {
				t.Errorf("%s cut to %d of %d bytes passes as whole", name, n, len(body))
				break
			}
		}
	}
}

func TestAFileWithoutAnEndMarkIsNeitherWholeNorCut(t *testing.T) {
	for name, body := range map[string][]byte{
		"legacy.pt": []byte("\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."), // torch before 1.6
		"a.engine":  noise(5000, 1),
	} {
		if got := inspect(bytes.NewReader(body), int64(len(body)), name); got != endless {
			t.Errorf("%s: %v, want endless", name, got)
		}
	}
	for name, body := range map[string][]byte{"empty.bin": {}, "sparse.bin": make([]byte, 5000), "sized.safetensors": make([]byte, 5000)} {
		if got := inspect(bytes.NewReader(body), int64(len(body)), name); got != cut {
			t.Errorf("%s: %v, want cut", name, got)
		}
	}
}

func TestTheEpochInsideATorchFile(t *testing.T) {
	timm := func(epoch byte) []byte {
		b := append([]byte("\x80\x02}q\x00("), unicodeKey("epoch")...)
		b = append(b, 'q', 1, 'K', epoch)
		for _, key := range []string{"arch", "optimizer", "version", "state_dict"} {
			b = append(append(b, unicodeKey(key)...), 'N')
		}
		return append(b, 'u', '.')
	}
	own := append(append([]byte("\x80\x02}q\x00("), unicodeKey("epoch")...), 'K', 4, 'u', '.')
	for name, tc := range map[string]struct {
		pickle []byte
		want   int
	}{
		"Ultralytics counts from 0":          {ultralyticsPickle(0), 1},
		"a long training":                    {ultralyticsPickle(299), 300},
		"Ultralytics without its optimiser":  {ultralyticsPickle(-1), stripped},
		"timm counts from 0":                 {timm(4), 5},
		"a script's own epoch has any base":  {own, 0},
		"no pickle":                          {nil, 0},
		"a pickle that ends behind the key":  {append([]byte("\x80\x02}("), unicodeKey("epoch")...), 0},
		"a memo without anything after that": {append(append([]byte("\x80\x02}("), unicodeKey("epoch")...), 'q'), 0},
	} {
		body := torchFile(t, 100, 1, tc.pickle)
		if got := epochInside(bytes.NewReader(body), int64(len(body))); got != tc.want {
			t.Errorf("%s: epoch %d, want %d", name, got, tc.want)
		}
	}
}

func FuzzInspect(f *testing.F) {
	f.Add([]byte("PK\x03\x04"), "a.pt")
	f.Add(safetensorsFile(f, 50, 1), "a.safetensors")
	f.Add(onnxFile(50), "a.onnx")
	f.Add(hdf5File(0, 100), "a.h5")
	f.Add(torchFile(f, 50, 1, ultralyticsPickle(3)), "a.pt")
	f.Add([]byte(`[1, 2]`), "a.json")
	f.Fuzz(func(t *testing.T, body []byte, name string) {
		r, size := bytes.NewReader(body), int64(len(body))
		if got := inspect(r, size, name); size == 0 && got != cut {
			t.Errorf("an empty file is %v", got)
		}
		if n := epochInside(r, size); n < stripped || n > 1_000_001 {
			t.Errorf("epoch %d", n)
		}
	})
}

func (w wholeness) String() string {
	return fmt.Sprint([]string{"endless", "cut", "whole"}[w])
}
