package host

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Volume is one look at a file system.
type Volume struct {
	Device int64 // which file system it is
	Total  int64 // bytes
	Free   int64 // bytes that an unprivileged process may still write
	Inodes int64 // free ones; -1 where the file system counts none
}

// Used is what the file system no longer has, in bytes.
func (v Volume) Used() int64 { return v.Total - v.Free }

// Statfs looks at the file system of path.
func Statfs(path string) (Volume, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return Volume{}, fmt.Errorf("asking for the free space of %s: %w", path, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return Volume{}, fmt.Errorf("asking for the file system of %s: %w", path, err)
	}
	block := whole(fs.Bsize)
	v := Volume{Device: whole(st.Dev), Total: int64(fs.Blocks) * block, Free: int64(fs.Bavail) * block, Inodes: int64(fs.Ffree)}
	if fs.Files == 0 {
		v.Inodes = -1
	}
	return v, nil
}

// whole takes a number that is of another type on every system.
func whole[T int32 | uint32 | int64 | uint64](n T) int64 { return int64(n) }
