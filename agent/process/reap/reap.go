// Package reap collects the dead: every process that ended below the agent, no matter who
// started it.
//
// It promises that no zombie stays and that every exit status is read once, as long as
// nobody else in this process waits. Whose status it was is the caller's to know.
package reap

import (
	"errors"
	"syscall"
)

// All collects every dead process there is and reports whether there was one: SIGCHLD
// is merged by the kernel, so one signal may stand for thousands.
func All(each func(pid int, status Status)) (any bool) {
	for {
		var ws syscall.WaitStatus
		var ru syscall.Rusage
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, &ru)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return any
		}
		if ws.Stopped() { // a child that made us its debugger (PTRACE_TRACEME): it lives
			continue
		}
		any = true
		each(pid, newStatus(ws, ru))
	}
}
