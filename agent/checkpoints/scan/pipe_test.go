package scan

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// What was a folder when it was listed may be a pipe when it is opened.
func TestAPipeInThePlaceOfAFolderHoldsNobody(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "runs"), 0o644); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	s := scanner{root: root}
	if _, err := s.list("runs"); err == nil {
		t.Error("list took it for a folder")
	}
	if _, err := s.entries("runs"); err == nil {
		t.Error("entries took it for a folder")
	}
	if _, err := fs.ReadDir(FS(root), "runs"); err == nil {
		t.Error("a walk took it for a folder")
	}
}
