package signals

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// First and last real-time signal that Go delivers; 32–34 belong to the C
// libraries (runtime/sigtab_linux_generic.go).
const (
	firstRealtime = 35
	lastRealtime  = 64
)

// Catchable are the signals that a process may catch, less those that a crash raises.
func Catchable() []syscall.Signal {
	sigs := []syscall.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGPIPE, syscall.SIGALRM, syscall.SIGTERM, syscall.SIGSTKFLT, syscall.SIGCONT,
		syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGXCPU, syscall.SIGXFSZ,
		syscall.SIGVTALRM, syscall.SIGWINCH, syscall.SIGIO, syscall.SIGPWR,
	}
	for n := firstRealtime; n <= lastRealtime; n++ {
		sigs = append(sigs, syscall.Signal(n))
	}
	return sigs
}

// Name is a signal's, as "SIGTERM".
func Name(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return sig.String()
}
