package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// becomeReaper makes orphaned descendants ours. PID 1 has them anyway.
func becomeReaper(self int) (restore func(), err error) {
	if self == 1 {
		return func() {}, nil
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return func() {}, fmt.Errorf("becoming a child subreaper: %w", err)
	}
	return func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) }, nil
}
