package autoreport

import (
	"path/filepath"
	"syscall"
	"testing"
)

// A file may have become a pipe since it was found.
func TestAPipeInThePlaceOfAResultFileHoldsNobody(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "results.csv"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := &source{path: "results.csv", parse: parseCSV}
	if rows, changed, err := s.read(dir); rows != nil || changed || err != nil {
		t.Errorf("%v, %v, %v", rows, changed, err)
	}
}
