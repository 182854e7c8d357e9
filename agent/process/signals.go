package process

import (
	"context"
	"slices"
	"syscall"

	"github.com/vision-platform/trainer-agent/converters/crew"
)

// Requests delivers the first three stop requests, in order, none lost.
func (s *Supervisor) Requests() <-chan Request { return s.asked.Queue }

// Stopping is a context that ends with the first stop request; its cause is that
// Request. Downloads and other work before the child run under it.
func (s *Supervisor) Stopping() context.Context { return s.asked.Stopping }

// WithStop returns a context that ends when parent ends or a stop is requested,
// whichever is first, with the cause of that one.
func (s *Supervisor) WithStop(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	release := context.AfterFunc(s.Stopping(), crew.Guarded(func() { cancel(context.Cause(s.Stopping())) }))
	return ctx, func() { release(); cancel(context.Canceled) }
}

var stopSignals = []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT}

// handle decides what a signal means. It runs on the loop's goroutine only.
func (s *Supervisor) handle(sig syscall.Signal) {
	switch {
	case s.opts.PassInterrupts && (sig == syscall.SIGINT || sig == syscall.SIGQUIT):
		if !s.term.Pass(sig) {
			s.forward(sig)
		}
	case slices.Contains(stopSignals, sig):
		s.request(sig)
	case sig == syscall.SIGPIPE:
		// Caught so that a closed stdout does not end the agent; it is about the
		// agent's own write, never for the child.
	case sig == syscall.SIGTSTP || sig == syscall.SIGTTIN || sig == syscall.SIGTTOU:
		if !s.term.PassJobControl(sig) {
			s.suspend()
		}
	case sig == syscall.SIGCONT:
		s.term.Resume()
		s.forward(sig)
	case sig == syscall.SIGWINCH:
		s.term.Resize()
		s.forward(sig)
	case sig == DumpSignal:
		s.passDump()
	default:
		s.forward(sig)
	}
}

// request counts a stop request; a child that is being stopped gets the second and
// the third as well.
func (s *Supervisor) request(sig syscall.Signal) {
	if s.asked.Add(sig) < 2 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.main != nil && s.main.stopSent {
		s.main.signalGroupLocked(sig)
	}
}

// forward passes a signal on to the main child, or keeps it until there is one.
// Equal signals that wait are one, as in the kernel.
func (s *Supervisor) forward(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.main != nil:
		s.main.forwardLocked(sig)
	case !s.mainSeen && sig != syscall.SIGCONT && sig != syscall.SIGWINCH && !slices.Contains(s.waiting, sig):
		s.waiting = append(s.waiting, sig)
	}
}

// suspend does by hand what the terminal does to a job: the child's group stops,
// then the agent. The child is in a session of its own, where the kernel ignores
// SIGTSTP (its group is orphaned), so it gets SIGSTOP, as in dumb-init. PID 1
// cannot be stopped, and on a terminal nobody is there to continue the child: the
// key then does nothing, as it does for any orphaned group.
func (s *Supervisor) suspend() {
	if s.self == 1 && s.term.Attached() {
		return
	}
	s.mu.Lock()
	if s.main != nil {
		s.main.signalGroupLocked(syscall.SIGSTOP)
	}
	s.mu.Unlock()
	s.term.Release()
	if err := syscall.Kill(s.self, syscall.SIGSTOP); err != nil {
		s.opts.Log.Warn("stopping the agent itself", "error", err)
	}
}
