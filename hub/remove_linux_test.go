package hub

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
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
	err := errors.Join(os.MkdirAll(inner, 0o700), os.WriteFile(filepath.Join(inner, "file"), nil, 0o600), closed(filepath.Join(work, "deep"), 20), os.Chmod(inner, 0), os.Chmod(filepath.Dir(inner), 0))
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

// closed makes folders below each other, in the last of them a file, and closes that one:
// their path is longer than the kernel takes.
func closed(dir string, depth int) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	at, err := os.OpenRoot(dir)
	name := strings.Repeat("d", 250)
	for range depth {
		if err == nil {
			err = at.Mkdir(name, 0o700)
		}
		if err != nil {
			return err
		}
		above := at
		at, err = at.OpenRoot(name)
		_ = above.Close()
	}
	if err != nil {
		return err
	}
	return errors.Join(at.WriteFile("file", nil, 0o600), at.Chmod(".", 0), at.Close())
}
