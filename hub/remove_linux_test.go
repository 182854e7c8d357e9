package hub

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// A package that closes the folders it wrote cannot keep a hub that is not root
// from its next start.
func TestClosedFoldersAreRemoved(t *testing.T) {
	need.Root(t)
	const nobody = 65534
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chown(dir, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread() // the thread is the other user for a while
	if err := unix.Setfsuid(nobody); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = unix.Setfsuid(0)
		runtime.UnlockOSThread()
	}()
	work := filepath.Join(dir, "work")
	inner := filepath.Join(work, "a", "b")
	err := errors.Join(os.MkdirAll(inner, 0o700), os.WriteFile(filepath.Join(inner, "file"), nil, 0o600), os.Chmod(inner, 0), os.Chmod(filepath.Dir(inner), 0))
	if err != nil {
		t.Fatal(err)
	}
	if os.RemoveAll(work) == nil {
		t.Fatal("the folder is not closed: the test says nothing")
	}
	if err := remove(work); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(work); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
