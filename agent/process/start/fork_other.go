//go:build !linux

package start

import (
	"errors"
	"syscall"
)

func prepareThread(spec Spec) error {
	if spec.NoNewPrivs || spec.RunAs != nil {
		return errors.New("no_new_privs and AGENT_RUN_AS need Linux")
	}
	return nil
}

func sysProcAttr(spec Spec) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Setctty: spec.PTY, Ctty: 0}
}

func raiseOOMScore(int, int) {}

// onFirstThread: nothing is done to threads here that would outlive a child.
func onFirstThread() bool { return false }
