// Package samples makes files as the frameworks write them, for the tests of the
// rooms that watch checkpoints.
package samples

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Torch is a file as torch.save writes it: a stored zip with the pickle
// first, whose object begins with the key "epoch", and tensors of size bytes.
func Torch(t testing.TB, size int, seed byte, pickle []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, e := range []struct {
		name string
		body []byte
	}{{"archive/data.pkl", pickle}, {"archive/data/0", Noise(size, seed)}, {"archive/version", []byte("3\n")}} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: e.name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Noise is size reproducible bytes.
func Noise(size int, seed byte) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// UltralyticsPickle is the start of what Ultralytics pickles; epoch is 0-based.
func UltralyticsPickle(epoch int) []byte {
	b := append([]byte("\x80\x02}q\x00("), UnicodeKey("epoch")...)
	b = append(b, 'q', 1, 'J')
	b = binary.LittleEndian.AppendUint32(b, uint32(int32(epoch)))
	for _, key := range []string{"best_fitness", "model", "ema", "optimizer", "train_args"} {
		b = append(b, UnicodeKey(key)...)
		b = append(b, 'N')
	}
	return append(b, 'u', '.')
}

// Safetensors is a file of one tensor.
func Safetensors(t testing.TB, size int, seed byte) []byte {
	t.Helper()
	header, err := json.Marshal(map[string]any{
		"__metadata__": map[string]string{"format": "pt"},
		"w":            map[string]any{"dtype": "U8", "shape": []int{size}, "data_offsets": []int{0, size}},
	})
	if err != nil {
		t.Fatal(err)
	}
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), Noise(size, seed)...)
}

// Rewrite does what Path.write_bytes does: open with O_TRUNC, write, close.
func Rewrite(t testing.TB, path string, body []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(f, bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// SHA is a SHA-256 in hex.
func SHA(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// ONNX is a ModelProto: ir_version, a graph of size bytes, an opset.
func ONNX(size int) []byte {
	out := []byte{0x08, 0x08, 0x3a}
	out = binary.AppendUvarint(out, uint64(size))
	out = append(out, Noise(size, 5)...)
	return append(out, 0x42, 0x02, 0x10, 0x11)
}

// HDF5 has the superblock of version v and says that it ends at size.
func HDF5(v byte, size int) []byte {
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

// Zip64Torch rewrites a torch file so that only its zip64 record tells the
// truth, as that of a file above 4 GiB.
func Zip64Torch(t testing.TB) []byte {
	body := Torch(t, 1000, 1, UltralyticsPickle(1))
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

// UnicodeKey is a string as pickle protocol 2 writes it.
func UnicodeKey(key string) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte{'X'}, uint32(len(key))), key...)
}
