package start

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// prepareThread gives the calling thread what the child inherits from it.
func prepareThread(spec Spec) error {
	if spec.NoNewPrivs || spec.RunAs != nil || spec.Confine != nil {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("setting no_new_privs: %w", err)
		}
	}
	if spec.Nice > 0 {
		// The raw call returns 20−nice, so that it is never negative.
		now, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
		if err != nil {
			return fmt.Errorf("reading the priority: %w", err)
		}
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, min(19, 20-now+spec.Nice)); err != nil {
			return fmt.Errorf("lowering the priority: %w", err)
		}
	}
	if spec.Confine != nil {
		return spec.Confine.Enter()
	}
	return nil
}

func sysProcAttr(spec Spec) *syscall.SysProcAttr {
	sys := &syscall.SysProcAttr{
		Setsid:    true,
		Setctty:   spec.PTY,
		Ctty:      0,
		Pdeathsig: syscall.SIGKILL, // kill -9 of the agent does not leave the trainer behind
	}
	if spec.RunAs != nil && !spec.RunAs.Current() {
		sys.Credential = spec.RunAs.Credential()
	}
	return sys
}

// raiseOOMScore makes the kernel choose this process before others. Raising needs
// no privilege; an error means the process is gone.
func raiseOOMScore(pid, by int) {
	path := fmt.Sprintf("/proc/%d/oom_score_adj", pid)
	raw, err := os.ReadFile(path)
	if err != nil {
		return
	}
	now, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return
	}
	_ = os.WriteFile(path, []byte(strconv.Itoa(min(1000, now+by))), 0)
}

// onFirstThread reports whether the calling thread is the process's first, whose
// id is the process's.
func onFirstThread() bool { return unix.Gettid() == os.Getpid() }
