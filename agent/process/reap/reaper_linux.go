package reap

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Become makes orphaned descendants ours. PID 1 has them anyway.
func Become(self int) (restore func(), err error) {
	if self == 1 {
		return func() {}, nil
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return func() {}, fmt.Errorf("becoming a child subreaper: %w", err)
	}
	return func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) }, nil
}

// Hide keeps what the agent knows from its children, and from those of another agent:
// without it, a process of the same user reads the credentials that its own environment lacks from
// /proc/1/environ, or from memory. Only CAP_SYS_PTRACE, which containers do not
// have by default, sees past it. (PR_SET_DUMPABLE, ptrace(2).)
func Hide() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("hiding the agent's memory from its children: %w", err)
	}
	return nil
}
