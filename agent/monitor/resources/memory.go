package resources

import (
	"math"
	"path/filepath"
)

// memory is one look at the container's memory, in bytes. Zero is not known.
type memory struct {
	used  int64 // without page cache that can be dropped, as the kubelet counts
	limit int64
	kills int64
	known bool // kills could be read
}

// noLimit is what v1 shows for "no limit": a number near 2^63, by page size.
const noLimit = math.MaxInt64 / 2

func (g groups) memory(root string) memory {
	switch {
	case len(g.v1["memory"]) > 0:
		return memoryV1(root, g.v1["memory"])
	case len(g.unified) > 0:
		return memoryV2(root, g.unified)
	}
	return memoryOfMachine(root)
}

// memoryV2 walks up for the smallest limit, since any ancestor's limit holds.
func memoryV2(root string, chain []string) memory {
	machine := memoryOfMachine(root)
	m := memory{limit: machine.limit}
	for _, dir := range chain {
		if limit, ok := readInt(filepath.Join(dir, "memory.max")); ok && (m.limit == 0 || limit < m.limit) {
			m.limit = limit
		}
	}
	m.kills, m.known = readKey(filepath.Join(chain[0], "memory.events"), "oom_kill")
	used, ok := readInt(filepath.Join(chain[0], "memory.current"))
	if !ok { // the root group has no such file
		m.used = machine.used
		return m
	}
	inactive, _ := readKey(filepath.Join(chain[0], "memory.stat"), "inactive_file")
	m.used = max(used-inactive, 0)
	return m
}

func memoryV1(root string, chain []string) memory {
	machine := memoryOfMachine(root)
	m := memory{limit: machine.limit}
	stat := filepath.Join(chain[0], "memory.stat")
	if limit, ok := readKey(stat, "hierarchical_memory_limit"); ok && limit < noLimit && (m.limit == 0 || limit < m.limit) {
		m.limit = limit
	}
	m.kills, m.known = readKey(filepath.Join(chain[0], "memory.oom_control"), "oom_kill")
	used, ok := readInt(filepath.Join(chain[0], "memory.usage_in_bytes"))
	if !ok {
		m.used = machine.used
		return m
	}
	inactive, _ := readKey(stat, "total_inactive_file")
	m.used = max(used-inactive, 0)
	return m
}

// memoryOfMachine reads /proc/meminfo, for a container without a cgroup.
func memoryOfMachine(root string) memory {
	path := filepath.Join(root, "proc/meminfo")
	total, ok := meminfo(path, "MemTotal")
	available, ok2 := meminfo(path, "MemAvailable")
	if !ok || !ok2 {
		return memory{}
	}
	return memory{used: total - available, limit: total}
}
