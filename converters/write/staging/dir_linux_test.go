package staging

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// TestEdge44LinkAcrossDevices links between two file systems, where Linux has a second one.
func TestEdge44LinkAcrossDevices(t *testing.T) {
	other, err := os.MkdirTemp("/dev/shm", "staging-*")
	if err != nil {
		need.Missing(t, "a second file system: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(other) })
	src := filepath.Join(other, "src.jpg")
	if err := os.WriteFile(src, []byte("pixels"), 0o644); err != nil {
		t.Fatal(err)
	}
	d, _ := make1(t)
	f, err := d.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Link(src, "x.jpg"); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(); err != nil {
		t.Fatal(err)
	}
	if read(t, filepath.Join(d.Final, "x.jpg")) != "pixels" {
		t.Error("another content")
	}
}
