//go:build unix

package outbox

import "golang.org/x/sys/unix"

// diskFree returns the bytes that an unprivileged process may still write.
func diskFree(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}
