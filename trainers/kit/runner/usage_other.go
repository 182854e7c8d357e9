//go:build !linux

package runner

import "syscall"

type used struct {
	memory int64
	tasks  int
}

// usage is not known on other systems: only time and disk are bounded there.
func usage(int, Limits) (used, bool) { return used{}, false }

// killTree ends a process and its group.
func killTree(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
