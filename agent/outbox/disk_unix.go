//go:build unix

package outbox

import (
	"os"

	"golang.org/x/sys/unix"
)

// unlock gives bbolt's flock back.
func unlock(f *os.File) { _ = unix.Flock(int(f.Fd()), unix.LOCK_UN) }

// diskFree returns the bytes that an unprivileged process may still write.
func diskFree(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}
