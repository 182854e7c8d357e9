package checkpoints

import "golang.org/x/sys/unix"

// freeBytes is what an unprivileged process may still write on path's file system.
func freeBytes(path string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, err
	}
	return product(st.Bavail, st.Bsize), nil
}

// product multiplies what is of another type on every system.
func product[A, B int32 | int64 | uint32 | uint64](a A, b B) int64 { return int64(a) * int64(b) }
