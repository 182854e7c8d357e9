package need

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// MemoryGroup makes a cgroup with a memory limit in bytes, of either version, and
// removes it when the test is over. It returns the group's folder.
func MemoryGroup(t *testing.T, limit int64) string {
	t.Helper()
	parent, file := groupParent()
	if parent == "" {
		Missing(t, "a cgroup that hands the memory controller down")
	}
	group, err := os.MkdirTemp(parent, "trainer-agent-test-")
	if err != nil {
		Missing(t, "a cgroup that may be written to: %v", err)
	}
	t.Cleanup(func() {
		if err := os.Remove(group); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(group, file), strconv.AppendInt(nil, limit, 10), 0); err != nil {
		Missing(t, "a cgroup with a memory limit: %v", err)
	}
	return group
}

// groupParent is where a group with a memory limit can be, and the file that takes
// the limit: with v1 below our own; with v2 below the nearest that hands the
// memory controller down, which one with processes can't.
func groupParent() (dir, file string) {
	const mount, limitV1, limitV2 = "/sys/fs/cgroup", "memory.limit_in_bytes", "memory.max"
	if own := ownGroup(filepath.Join(mount, "memory")); own != "" {
		return own, limitV1
	}
	for dir = ownGroup(mount); strings.HasPrefix(dir, mount); dir = filepath.Dir(dir) {
		if handed, _ := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control")); strings.Contains(string(handed), "memory") {
			return dir, limitV2
		}
	}
	return "", ""
}

// ownGroup is the folder below a mount that lists this process, "" without one.
func ownGroup(mount string) (own string) {
	self := strconv.Itoa(os.Getpid())
	_ = filepath.WalkDir(mount, func(path string, _ fs.DirEntry, _ error) error { // what cannot be read is not ours
		if filepath.Base(path) != "cgroup.procs" {
			return nil
		}
		if b, _ := os.ReadFile(path); slices.Contains(strings.Fields(string(b)), self) {
			own = filepath.Dir(path)
			return fs.SkipAll
		}
		return nil
	})
	return own
}
