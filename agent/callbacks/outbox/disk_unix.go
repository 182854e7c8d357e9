//go:build unix

package outbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/contract"
)

// lock makes this process the only one in the outbox folder, until the file is
// closed or the process ends.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the outbox: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("locking the outbox: %w", err)
		}
		return nil, contract.Failf(contract.CodeConfigInvalid, "The outbox %s is in use by another agent.", dir).
			WithHint("Give each job a WORKSPACE_DIR of its own.")
	}
	return f, nil
}

// diskFree returns the bytes that an unprivileged process may still write.
func diskFree(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}
