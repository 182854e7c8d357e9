package resources

import (
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/contract"
)

// volume is one look at a file system, in bytes. free is what an unprivileged
// process may still write.
type volume struct {
	dev         int64
	total, free int64
	inodes      int64 // free ones
	hasInodes   bool  // some file systems count none
}

func statVolume(path string) (volume, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return volume{}, err
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return volume{}, err
	}
	block := whole(fs.Bsize)
	return volume{
		dev:   whole(st.Dev),
		total: int64(fs.Blocks) * block, free: int64(fs.Bavail) * block,
		inodes: int64(fs.Ffree), hasInodes: fs.Files > 0,
	}, nil
}

// whole takes a number that is of another type on every system.
func whole[T int32 | uint32 | int64 | uint64](n T) int64 { return int64(n) }

func (v volume) used() int64 { return v.total - v.free }

// add folds one look into the account of the run.
func (v volume) add(to *contract.VolumeEvidence, path string) {
	first := !to.Known()
	to.Path, to.TotalBytes = path, v.total
	to.PeakBytes = max(to.PeakBytes, v.used())
	if first || v.free < to.MinFreeBytes {
		to.MinFreeBytes = v.free
	}
	if v.hasInodes && (to.MinFreeInodes == nil || v.inodes < *to.MinFreeInodes) {
		n := v.inodes
		to.MinFreeInodes = &n
	}
}

// shmPath is where Linux keeps POSIX shared memory.
func shmPath(root string) string { return filepath.Join(root, "dev/shm") }
