package ziptree

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"github.com/vision-platform/trainer-agent/contract"
)

const sizeOfEntry = unsafe.Sizeof(entry{})

// FuzzUnpack promises: never outside the folder, never more than the limits,
// never a panic, and an error is always a failure with a code.
func FuzzUnpack(f *testing.F) {
	for _, c := range good() {
		if b := c.archive.bytes(); len(b) < 4096 {
			f.Add(b)
		}
	}
	for _, c := range bad() {
		if b := c.archive.bytes(); len(b) < 4096 {
			f.Add(b)
		}
	}
	limits := Limits{MaxBytes: 1 << 16, MaxFiles: 20, MaxRatio: 100}
	f.Fuzz(func(t *testing.T, b []byte) {
		parent := t.TempDir()
		dir := filepath.Join(parent, "data")
		d, err := unpack(t.Context(), source(b), limits, dir)
		if _, failure := errors.AsType[*contract.Failure](err); err != nil && !failure {
			t.Errorf("an error without a code: %v", err)
		}
		if names, _ := os.ReadDir(parent); len(names) > 1 {
			t.Fatalf("outside of the folder: %v", names)
		}
		if _, statErr := os.Lstat(dir); statErr != nil {
			return
		}
		files, size := readAll(t, dir), 0
		for _, body := range files {
			size += len(body)
		}
		if size > 1<<16 || len(files) > 20 {
			t.Fatalf("%d files with %d bytes", len(files), size)
		}
		if err == nil && (len(files) != d.Files() || int64(size) != d.Bytes) {
			t.Fatalf("%d files with %d bytes, declared %d with %d", len(files), size, d.Files(), d.Bytes)
		}
	})
}
