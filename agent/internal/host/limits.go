package host

import (
	"math"
	"path/filepath"

	"github.com/prometheus/procfs"
)

// Limits are the soft resource limits of one process. Unlimited is MaxInt64, a
// limit that could not be read is zero.
type Limits struct {
	OpenFiles    int64
	Processes    int64
	LockedMemory int64 // bytes
}

// LimitsOf reads the limits of a process, below root.
func LimitsOf(root string, pid int) Limits {
	fs, err := procfs.NewFS(filepath.Join(root, "proc"))
	if err != nil {
		return Limits{}
	}
	proc, err := fs.Proc(pid)
	if err != nil {
		return Limits{}
	}
	l, err := proc.Limits()
	if err != nil {
		return Limits{}
	}
	return Limits{OpenFiles: bounded(l.OpenFiles), Processes: bounded(l.Processes), LockedMemory: bounded(l.LockedMemory)}
}

func bounded(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
