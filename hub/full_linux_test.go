package hub_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/store/storetest"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// A disk without room refuses the upload, keeps nothing of it, and takes the next
// one that fits.
func TestDiskIsFull(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		need.Missing(t, "a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	r := start(t, hub.Config{DataDir: filepath.Join(dir, "data"), Database: storetest.Postgres(t)})
	ann := r.client(t, "ann")
	got := ann.upload(t, "?dry_run=true", []part{{"file", strings.Repeat("x", 512<<10)}})
	if got.status != 507 || !strings.Contains(got.body, "disk is full") {
		t.Errorf("%+v", got)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "data", "packages", "incoming")); len(left) != 0 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
	id := ann.submit(t, "custom-yolo", "1.0.0", "?dry_run=true")
	ann.follow(t, id)
}
