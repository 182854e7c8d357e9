package reap

import (
	"fmt"
	"syscall"
	"time"

	"github.com/vision-platform/trainer-agent/agent/process/signals"
)

// Status is how a child ended.
type Status struct {
	ExitCode   int // its own, or 128+n when signal n ended it, as shells count
	Signal     syscall.Signal
	CoreDumped bool
	UserTime   time.Duration // CPU time of the child and of what it waited for
	SystemTime time.Duration
	MaxRSS     int64 // bytes, the largest of the same processes
}

// Success reports exit code 0.
func (s Status) Success() bool { return s.ExitCode == 0 }

// String says how it ended: "exit code 3", "killed by SIGSEGV (core dumped)".
func (s Status) String() string {
	switch {
	case s.Signal == 0:
		return fmt.Sprintf("exit code %d", s.ExitCode)
	case s.CoreDumped:
		return fmt.Sprintf("killed by %s (core dumped)", signals.Name(s.Signal))
	}
	return "killed by " + signals.Name(s.Signal)
}

func newStatus(ws syscall.WaitStatus, ru syscall.Rusage) Status {
	st := Status{
		ExitCode:   ws.ExitStatus(),
		UserTime:   time.Duration(ru.Utime.Nano()),
		SystemTime: time.Duration(ru.Stime.Nano()),
		MaxRSS:     ru.Maxrss * maxRSSUnit,
	}
	if ws.Signaled() {
		st.Signal = ws.Signal()
		st.CoreDumped = ws.CoreDump()
		st.ExitCode = 128 + int(st.Signal)
	}
	return st
}

// CPU is the processor time of the process and of what it waited for.
func (s Status) CPU() time.Duration { return s.UserTime + s.SystemTime }
