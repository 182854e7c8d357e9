package signals

import (
	"os"
	"slices"
	"syscall"
	"testing"
)

func TestCaughtSignalsLeaveTheRuntimesAlone(t *testing.T) {
	never := []syscall.Signal{
		syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD, syscall.SIGURG, syscall.SIGPROF,
		syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGABRT, syscall.SIGSYS,
	}
	for _, sig := range never {
		if slices.Contains(caught(), os.Signal(sig)) {
			t.Errorf("%v is caught", sig)
		}
	}
}
