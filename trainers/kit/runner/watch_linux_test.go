package runner

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// Below a path that is longer than the kernel takes nothing can be counted, and a disk
// could be filled there.
func TestADiskIsNotFilledWhereNobodyLooks(t *testing.T) {
	dir := t.TempDir()
	at, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.Repeat("d", 250)
	for range 20 {
		if err := at.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
		below, err := at.OpenRoot(name)
		if err != nil {
			t.Fatal(err)
		}
		_ = at.Close()
		at = below
	}
	err = at.WriteFile("hidden", make([]byte, 2<<20), 0o600)
	_ = at.Close()
	if err != nil {
		t.Fatal(err)
	}
	if over := overDisk([]string{dir}, Limits{Disk: 1 << 20}); over == nil || over.What != "disk" {
		t.Errorf("%v", over)
	}
}

// A file that no folder names any longer cannot be counted; the disk is not filled with it.
func TestADiskIsNotFilledByWhatCannotBeCounted(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=272m"); err != nil {
		need.Missing(t, "a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	hidden := Command{Program: "/bin/sh", Args: []string{"-c", "exec 3>x; rm x; head -c 33554432 /dev/zero >&3; exec sleep 60"}, Dir: dir, Env: []string{"PATH=/usr/bin:/bin"}, Write: []string{dir}}
	if err := (Process{}).Run(t.Context(), hidden, Limits{Disk: 1 << 30, Time: 30 * time.Second}); !errors.Is(err, ErrNoRoom) {
		t.Errorf("%v", err)
	}
}
