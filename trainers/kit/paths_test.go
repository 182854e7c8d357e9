package kit

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// An environment of a stranger's wheels runs their code when its Python starts: it is never
// asked outside of the isolation, and is seen inside.
func TestStrangersEnvironmentIsNotAsked(t *testing.T) {
	dir := t.TempDir()
	told, python := filepath.Join(dir, "told"), filepath.Join(dir, "venv", "bin", "python")
	if err := os.MkdirAll(filepath.Dir(python), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(python, []byte("#!/bin/sh\ntouch "+told+"\necho []\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := (Tools{Python: python}).pythonPaths(t.Context(), os.Environ()); err != nil {
		t.Fatal(err)
	}
	if os.Remove(told) != nil {
		t.Fatal("the interpreter was not asked, so the test proves nothing")
	}
	paths, err := Tools{Python: python, Base: need.Python(t)}.pythonPaths(t.Context(), os.Environ())
	if err != nil || !slices.Contains(paths, filepath.Join(dir, "venv")) || len(paths) < 2 {
		t.Errorf("%v, %v", paths, err)
	}
	if _, err := os.Stat(told); err == nil {
		t.Error("the stranger's interpreter ran")
	}
}
