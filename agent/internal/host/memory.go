package host

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/prometheus/procfs"
)

// Memory is the account of the cgroup that this process shares with what it
// starts. What the kernel does not say is absent.
//
// In use is what the kernel cannot take back: the group's usage less its page
// cache, active and inactive. The kubelet's working set still counts the active
// half, which a training that reads its images again and again fills to the limit
// without any danger.
type Memory struct {
	Used     int64  // bytes, of the group that Limit belongs to
	Limit    int64  // bytes, the tightest of the group's and all its ancestors'; 0 = none
	Peak     int64  // bytes, the kernel's own: the most that the own group ever had, page cache included; 0 = not known
	OOMKills *int64 // processes of the own group that the kernel killed for want of memory, ever
	Group    uint64 // which cgroup it is: a number that no other has while the machine runs; 0 = not known
}

// Percent is Used of Limit, 0 without a limit.
func (m Memory) Percent() int {
	if m.Limit <= 0 {
		return 0
	}
	return int(float64(m.Used) / float64(m.Limit) * 100)
}

// KilledSince is how many processes the kernel killed for want of memory between
// two readings; false when that cannot be known, which is not "none": a reading of
// another cgroup says nothing.
func (m Memory) KilledSince(before Memory) (int64, bool) {
	if m.OOMKills == nil || before.OOMKills == nil || m.Group != before.Group {
		return 0, false
	}
	return *m.OOMKills - *before.OOMKills, true
}

// noLimit: cgroup v1 says "none" with a number near 2⁶³, rounded to pages.
const noLimit = 1 << 60

// memoryFiles are the names of one version's files.
type memoryFiles struct {
	usage, limit, events string
	peak                 string   // since Linux 5.19 on v2
	cache                []string // counters of memory.stat that together are the page cache
	hierarchical         string   // counter of memory.stat that has the ancestors' limits in it, v1's
}

var (
	memoryV2 = memoryFiles{"memory.current", "memory.max", "memory.events", "memory.peak", []string{"inactive_file", "active_file"}, ""}
	memoryV1 = memoryFiles{
		"memory.usage_in_bytes", "memory.limit_in_bytes", "memory.oom_control", "memory.max_usage_in_bytes",
		[]string{"total_inactive_file", "total_active_file"}, "hierarchical_memory_limit",
	}
)

// ErrNoAccount means that no cgroup that can be read accounts for memory.
var ErrNoAccount = errors.New("no cgroup accounts for memory here")

// Memory reads the account, v1's where the memory controller is there and else v2's.
func (g Groups) Memory() (Memory, error) {
	switch v1 := g.v1["memory"]; {
	case v1.present():
		return memoryV1.read(v1)
	case g.unified.present():
		return memoryV2.read(g.unified)
	}
	return Memory{}, ErrNoAccount
}

// read walks up for the smallest limit, since any ancestor's holds. What counts
// against an ancestor's limit is what all its groups use together.
func (f memoryFiles) read(c chain) (Memory, error) {
	own := c.dirs[0]
	used, ok := f.used(own)
	if !ok { // the tree's root, or a tree without the controller
		return Memory{}, ErrNoAccount
	}
	m := Memory{Used: used, Group: inode(own)}
	m.Peak, _ = number(filepath.Join(own, f.peak))
	for _, dir := range c.dirs {
		limit, ok := number(filepath.Join(dir, f.limit))
		if !ok || limit >= noLimit || m.Limit != 0 && limit >= m.Limit {
			continue
		}
		m.Limit = limit
		if used, ok := f.used(dir); ok {
			m.Used = used
		}
	}
	// An ancestor above the mount is not to be seen, but v1 says its limit.
	if limit := counters(filepath.Join(own, "memory.stat"))[f.hierarchical]; limit > 0 && limit < noLimit && (m.Limit == 0 || limit < m.Limit) {
		m.Limit, m.Used = limit, used
	}
	if kills, ok := counters(filepath.Join(own, f.events))["oom_kill"]; ok {
		m.OOMKills = &kills
	}
	return m, nil
}

func (f memoryFiles) used(dir string) (int64, bool) {
	usage, ok := number(filepath.Join(dir, f.usage))
	if !ok {
		return 0, false
	}
	stat := counters(filepath.Join(dir, "memory.stat"))
	for _, cache := range f.cache {
		usage -= stat[cache]
	}
	return max(usage, 0), true
}

// inode numbers a cgroup's folder: the kernel counts it up (fs/kernfs/dir.c).
func inode(dir string) uint64 {
	fi, err := os.Stat(dir)
	if err != nil {
		return 0
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return st.Ino
}

// Machine is the whole machine's memory, for a process without a limit of its
// own; false where proc/meminfo below root cannot be read.
func Machine(root string) (used, total int64, ok bool) {
	fs, err := procfs.NewFS(filepath.Join(root, "proc"))
	if err != nil {
		return 0, 0, false
	}
	info, err := fs.Meminfo()
	if err != nil || info.MemTotalBytes == nil || info.MemAvailableBytes == nil {
		return 0, 0, false
	}
	total = int64(*info.MemTotalBytes)
	return max(total-int64(*info.MemAvailableBytes), 0), total, true
}
