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
// removes it after the test. Write a pid to its cgroup.procs to use it.
func MemoryGroup(t *testing.T, limit int64) string {
	t.Helper()
	return limitedGroup(t, "memory", "memory.limit_in_bytes", "memory.max", limit)
}

// PidsGroup is the same with a limit of processes and threads.
func PidsGroup(t *testing.T, limit int64) string {
	t.Helper()
	return limitedGroup(t, "pids", "pids.max", "pids.max", limit)
}

func limitedGroup(t *testing.T, controller, fileV1, fileV2 string, limit int64) string {
	t.Helper()
	parent, file := groupParent(controller, fileV1, fileV2)
	if parent == "" {
		Missing(t, "a cgroup that hands the %s controller down", controller)
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
		Missing(t, "a cgroup with a limit of %s: %v", controller, err)
	}
	return group
}

// groupParent is where a group with a limit can be, and the file that takes the
// limit: with v1 below our own; with v2 below the nearest that hands the
// controller down, which one with processes can't.
func groupParent(controller, fileV1, fileV2 string) (dir, file string) {
	const mount = "/sys/fs/cgroup"
	if own := ownGroup(filepath.Join(mount, controller)); own != "" {
		return own, fileV1
	}
	for dir = ownGroup(mount); strings.HasPrefix(dir, mount); dir = filepath.Dir(dir) {
		if handed, _ := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control")); strings.Contains(string(handed), controller) {
			return dir, fileV2
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
