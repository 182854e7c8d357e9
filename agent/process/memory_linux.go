package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// noLimit: cgroup v1 says "none" with a number near 2⁶³, rounded to pages.
const noLimit = 1 << 60

// ReadMemory reads the account of the agent's own cgroup, v2 or v1.
func ReadMemory() (Memory, error) {
	v2, err2 := ownCgroup("")
	if err2 == nil {
		m, err := readMemoryV2(v2)
		if err == nil {
			return m, nil
		}
		err2 = err
	}
	v1, err1 := ownCgroup("memory")
	if err1 == nil {
		m, err := readMemoryV1(v1)
		if err == nil {
			return m, nil
		}
		err1 = err
	}
	return Memory{}, fmt.Errorf("reading the memory account: %w", errors.Join(err2, err1))
}

// readMemoryV2 follows Documentation/admin-guide/cgroup-v2.rst. The v2 tree's root
// has no memory.current, nor has a tree whose memory controller is v1's.
func readMemoryV2(dir string) (Memory, error) {
	current, err := readNumber(dir, "memory.current")
	if err != nil {
		return Memory{}, err
	}
	stat := readCounts(dir, "memory.stat")
	m := Memory{Used: max(0, current-stat["inactive_file"]-stat["active_file"]), Group: groupNumber(dir)}
	if limit, err := readNumber(dir, "memory.max"); err == nil && limit < noLimit {
		m.Limit = limit // "max" is no number, so no limit
	}
	if kills, ok := readCounts(dir, "memory.events")["oom_kill"]; ok {
		m.OOMKills = &kills
	}
	return m, nil
}

// readMemoryV1 follows Documentation/admin-guide/cgroup-v1/memory.rst.
func readMemoryV1(dir string) (Memory, error) {
	usage, err := readNumber(dir, "memory.usage_in_bytes")
	if err != nil {
		return Memory{}, err
	}
	stat := readCounts(dir, "memory.stat")
	m := Memory{Used: max(0, usage-stat["total_inactive_file"]-stat["total_active_file"]), Group: groupNumber(dir)}
	if limit := stat["hierarchical_memory_limit"]; limit > 0 && limit < noLimit {
		m.Limit = limit
	}
	if kills, ok := readCounts(dir, "memory.oom_control")["oom_kill"]; ok {
		m.OOMKills = &kills
	}
	return m, nil
}

// groupNumber is the folder's inode, which the kernel counts up (fs/kernfs/dir.c).
func groupNumber(dir string) uint64 {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return 0
	}
	return st.Ino
}

func readNumber(dir, name string) (int64, error) {
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
}

// readCounts reads "name number" lines; a file that is not there has none.
func readCounts(dir, name string) map[string]int64 {
	counts := map[string]int64{}
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return counts
	}
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			continue
		}
		if n, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
			counts[fields[0]] = n
		}
	}
	return counts
}
