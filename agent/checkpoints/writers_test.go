package checkpoints

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
	"testing"
)

// torchFile is a file as torch.save writes it: a stored zip with the pickle
// first, whose object begins with the key "epoch", and tensors of size bytes.
func torchFile(t testing.TB, size int, seed byte, pickle []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, e := range []struct {
		name string
		body []byte
	}{{"archive/data.pkl", pickle}, {"archive/data/0", noise(size, seed)}, {"archive/version", []byte("3\n")}} {
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

// noise is size reproducible bytes.
func noise(size int, seed byte) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// ultralyticsPickle is the start of what Ultralytics pickles; epoch is 0-based.
func ultralyticsPickle(epoch int) []byte {
	b := append([]byte("\x80\x02}q\x00("), unicodeKey("epoch")...)
	b = append(b, 'q', 1, 'J')
	b = binary.LittleEndian.AppendUint32(b, uint32(int32(epoch)))
	for _, key := range []string{"best_fitness", "model", "ema", "optimizer", "train_args"} {
		b = append(b, unicodeKey(key)...)
		b = append(b, 'N')
	}
	return append(b, 'u', '.')
}

// safetensorsFile is a file of one tensor.
func safetensorsFile(t testing.TB, size int, seed byte) []byte {
	t.Helper()
	header, err := json.Marshal(map[string]any{
		"__metadata__": map[string]string{"format": "pt"},
		"w":            map[string]any{"dtype": "U8", "shape": []int{size}, "data_offsets": []int{0, size}},
	})
	if err != nil {
		t.Fatal(err)
	}
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), noise(size, seed)...)
}

// rewrite does what Path.write_bytes does: open with O_TRUNC, write, close.
func rewrite(t testing.TB, path string, body []byte) {
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

func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
