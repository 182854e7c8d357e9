package resources

import (
	"path/filepath"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/contract"
)

// reading is one look at everything.
type reading struct {
	at             time.Time
	memory         host.Memory // with the machine's limit where no cgroup has a tighter one
	shm, disk, tmp *host.Volume
}

// looker reads what can run out.
type looker struct {
	root, workspace string
	groups          host.Groups
	first           host.Memory // the baseline of the kills
}

func newLooker(o Options, groups host.Groups) looker {
	l := looker{root: o.Root, workspace: o.Workspace, groups: groups}
	l.first = l.memory()
	return l
}

func (l *looker) look(now time.Time) reading {
	r := reading{at: now, memory: l.memory(), shm: volume(shmPath(l.root)), disk: volume(l.workspace)}
	if tmp := volume(l.tmpPath()); tmp != nil && r.disk != nil && tmp.Device != r.disk.Device {
		r.tmp = tmp
	}
	return r
}

// memory is the cgroup's account; without a cgroup, or for its limit, the machine's.
func (l *looker) memory() host.Memory {
	m, err := l.groups.Memory()
	used, total, ok := host.Machine(l.root)
	if err != nil {
		m.Used = used
	}
	if ok && (m.Limit == 0 || total < m.Limit) {
		m.Limit = total
	}
	return m
}

func (l *looker) tmpPath() string { return filepath.Join(l.root, "tmp") }

// enter folds a reading into the account of the run.
func (l *looker) enter(r reading, to *contract.SystemEvidence) {
	addVolume(&to.Shm, shmPath(l.root), r.shm)
	addVolume(&to.Disk, l.workspace, r.disk)
	addVolume(&to.Tmp, l.tmpPath(), r.tmp)
	to.MemoryPeak = max(to.MemoryPeak, r.memory.Used)
	to.KernelPeak = max(to.KernelPeak, r.memory.Peak)
	to.MemoryLimit = r.memory.Limit
	if kills, known := r.memory.KilledSince(l.first); known {
		to.OOMKills = &kills
	}
}

// volume looks at a file system; nil for one that is not there or says no size.
func volume(path string) *host.Volume {
	v, err := host.Statfs(path)
	if err != nil || v.Total == 0 {
		return nil
	}
	return &v
}

func addVolume(to *contract.VolumeEvidence, path string, v *host.Volume) {
	if v == nil {
		return
	}
	first := !to.Known()
	to.Path, to.TotalBytes = path, v.Total
	to.PeakBytes = max(to.PeakBytes, v.Used())
	if first || v.Free < to.MinFreeBytes {
		to.MinFreeBytes = v.Free
	}
	if v.Inodes >= 0 && (to.MinFreeInodes == nil || v.Inodes < *to.MinFreeInodes) {
		n := v.Inodes
		to.MinFreeInodes = &n
	}
}

// shmPath is where Linux keeps POSIX shared memory.
func shmPath(root string) string { return filepath.Join(root, "dev/shm") }
