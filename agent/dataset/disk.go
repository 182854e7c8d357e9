package dataset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/contract"
)

// Space is what a file system has left.
type Space struct {
	Bytes int64
	Files int64 // inodes; -1 where they are not counted
}

func freeSpace(dir string) (Space, error) {
	v, err := host.Statfs(dir)
	return Space{Bytes: v.Free, Files: v.Inodes}, err
}

func sameDisk(a, b string) bool {
	one, err := os.Stat(a)
	other, err2 := os.Stat(b)
	if errors.Join(err, err2) != nil {
		return false
	}
	first, ok := one.Sys().(*syscall.Stat_t)
	second, ok2 := other.Sys().(*syscall.Stat_t)
	return ok && ok2 && first.Dev == second.Dev
}

// halfBlock is what a file wastes in its last block of 4 KiB on average.
const halfBlock = 2048

// makeRoom compares what will be written into data with what is free, after the
// cache has given up what it can, and fails before the first byte.
func (f *fetcher) makeRoom(fill *filling, size, files int64) error {
	data := fill.Data
	present, presentFiles := written(data)
	need := max(0, size+files*halfBlock-present)
	free, err := fill.room(need, f.Space)
	if err != nil {
		return err
	}
	switch {
	case free.Bytes < need:
		return contract.Failf(contract.CodeDiskFull, "the dataset needs %s in %s, and %s is free", human(need), filepath.Dir(data), human(free.Bytes)).
			WithHint("Give the workspace a larger volume.")
	case free.Files >= 0 && free.Files < files-presentFiles:
		return contract.Failf(contract.CodeDiskFull, "the dataset has %d files and folders, and the file system of %s has room for %d more (inodes)", files, filepath.Dir(data), free.Files).
			WithHint("Use a volume that was formatted with more inodes.")
	}
	return nil
}

// room lets the cache give up what it can for an entry that needs so many bytes
// more, and returns what is free then.
func (f *filling) room(need int64, space func(string) (Space, error)) (Space, error) {
	if err := f.cache.MakeRoom(f.id, need); err != nil {
		return Space{}, fmt.Errorf("making room in the cache: %w", err)
	}
	free, err := space(f.Data)
	if err == nil && free.Bytes < need && f.spare != nil {
		f.spare(need - free.Bytes)
		free, err = space(f.Data)
	}
	return free, err
}

// written is what an interrupted fetch has left to go on with.
func written(data string) (size, files int64) {
	_ = filepath.WalkDir(data, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // an estimate
		}
		if fi, err := d.Info(); err == nil {
			size += fi.Size() + halfBlock
			files++
		}
		return nil
	})
	return size, files
}

func human(n int64) string {
	const unit = 1024.0
	v, i := float64(n), 0
	for v >= unit && i < 5 {
		v /= unit
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %ciB", v, " KMGTP"[i])
}
