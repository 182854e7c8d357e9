package runner

import (
	"os"
	"strings"
	"testing"
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
