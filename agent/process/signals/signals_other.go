//go:build !linux

package signals

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Catchable are the signals that a process may catch, less those that a crash raises.
func Catchable() []syscall.Signal {
	return []syscall.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGPIPE, syscall.SIGALRM, syscall.SIGTERM, syscall.SIGCONT, syscall.SIGTSTP,
		syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGXCPU, syscall.SIGXFSZ, syscall.SIGVTALRM,
		syscall.SIGWINCH, syscall.SIGIO,
	}
}

// Name is a signal's, as "SIGTERM".
func Name(sig syscall.Signal) string { return unix.SignalName(sig) }
