package identity

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

func TestOwnLeavesSharedFilesAndTheAgentsAlone(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	cached := filepath.Join(t.TempDir(), "cached")
	for _, path := range []string{outside, cached, filepath.Join(dir, "own")} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		os.Symlink(outside, filepath.Join(dir, "symlink")),
		os.Link(cached, filepath.Join(dir, "hardlink")),
		os.MkdirAll(filepath.Join(dir, ".agent", "outbox"), 0o700),
		os.MkdirAll(filepath.Join(dir, "runs", "deep"), 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := Own(dir, Identity{UID: 12345, GID: 12345}, ".agent"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]uint32{
		dir: 12345, dir + "/own": 12345, dir + "/symlink": 12345, dir + "/runs": 12345, dir + "/runs/deep": 12345,
		outside: 0, cached: 0, dir + "/hardlink": 0, dir + "/.agent": 0, dir + "/.agent/outbox": 0,
	} {
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil || st.Uid != want {
			t.Errorf("%s belongs to %d (%v), want %d", path, st.Uid, err, want)
		}
	}
}
