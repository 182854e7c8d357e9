package runner

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	usageEvery = 200 * time.Millisecond // memory and processes
	diskEvery  = 5                      // every fifth look is at the disk too
)

// watch returns what was exceeded, or ErrNoRoom, or nil when ctx ended. Between two looks
// the kernel's own limits hold, where a level sets them.
func watch(ctx context.Context, root func(context.Context) int, limits Limits, writes []string) error {
	ticker := time.NewTicker(usageEvery)
	defer ticker.Stop()
	for i := 1; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if pid := root(ctx); pid > 0 {
			if over := overUsage(pid, limits); over != nil {
				return over
			}
		}
		if i%diskEvery == 0 {
			if over := overDisk(writes, limits); over != nil {
				return over
			}
			if slices.ContainsFunc(writes, full) {
				return ErrNoRoom
			}
		}
	}
}

func overUsage(pid int, limits Limits) *Exceeded {
	now, known := usage(pid, limits)
	switch {
	case !known:
		return nil
	case limits.Processes > 0 && now.tasks > limits.Processes:
		return Over("processes", limits)
	case limits.Memory > 0 && now.memory > limits.Memory:
		return Over("memory", limits)
	}
	return nil
}

// Closed says that a command hid what it wrote.
func Closed() *Exceeded {
	return &Exceeded{"disk", "a folder so deep or so closed that what lies in it cannot be counted"}
}

// full says whether the disk of a folder has less than the reserve.
func full(folder string) bool {
	var disk unix.Statfs_t
	return unix.Statfs(folder, &disk) == nil && int64(disk.Bavail)*int64(disk.Bsize) < reserve //nolint:unconvert // the types differ between systems
}

// overDisk adds up what really lies on the disk: a file with holes counts as what it holds.
// A folder that cannot be looked into may hold anything, so it is over the limit.
func overDisk(folders []string, limits Limits) (over *Exceeded) {
	var bytes int64
	var files int
	for _, folder := range folders {
		_ = filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENAMETOOLONG) {
				over = Closed()
				return fs.SkipAll
			}
			files++
			if info, err := os.Lstat(path); err == nil { // else it went away meanwhile
				if stat, ok := info.Sys().(*syscall.Stat_t); ok {
					bytes += stat.Blocks * 512
				}
			}
			switch {
			case limits.Disk > 0 && bytes > limits.Disk:
				over = Over("disk", limits)
			case limits.Files > 0 && files > limits.Files:
				over = Over("files", limits)
			default:
				return nil
			}
			return fs.SkipAll
		})
	}
	return over
}
