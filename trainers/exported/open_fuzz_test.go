package exported

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// A package of a stranger's is read or refused, whatever it is.
func FuzzInspect(f *testing.F) {
	var whole bytes.Buffer
	w := zip.NewWriter(&whole)
	for name, body := range files() {
		to, err := w.Create(name)
		if err == nil {
			_, err = to.Write(body)
		}
		if err != nil {
			f.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes())
	f.Add([]byte("PK\x05\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<18 {
			return
		}
		for _, name := range []string{"package.zip", "model.tflite", "model.torchscript"} {
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, body, 0o600); err != nil {
				t.Fatal(err)
			}
			if found, err := Inspect(path); err == nil && found == nil {
				t.Error("neither found nor refused")
			}
		}
	})
}
