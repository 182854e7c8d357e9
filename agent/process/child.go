package process

import (
	"io"
	"os"
	"sync"
	"syscall"
)

// Child is a program that a Supervisor started.
type Child struct {
	sup    *Supervisor
	pid    int // also its process group and session
	main   bool
	pumps  []*pump
	stdin  *os.File // our end, when Spec.StdinPipe
	status Status   // valid once reaped is closed
	reaped chan struct{}
	done   chan struct{}

	stop     sync.Once
	outcome  Outcome
	stopSent bool // under sup.mu
	gone     bool // under sup.mu: reaped, the pid means nothing any more
}

// PID is the process id, which is also the id of its group and its session.
func (c *Child) PID() int { return c.pid }

// Done is closed when the child was reaped and its output was delivered.
func (c *Child) Done() <-chan struct{} { return c.done }

// Status waits for Done and returns how the child ended.
func (c *Child) Status() Status {
	<-c.done
	return c.status
}

// Stdin is the write end of the child's input; nil without Spec.StdinPipe.
func (c *Child) Stdin() io.WriteCloser {
	if c.stdin == nil {
		return nil
	}
	return c.stdin
}

// Signal sends one signal to the child's process alone. It is a no-op once the
// child was reaped, so a recycled pid is never hit.
func (c *Child) Signal(sig syscall.Signal) {
	c.sup.mu.Lock()
	defer c.sup.mu.Unlock()
	if !c.gone {
		_ = syscall.Kill(c.pid, sig)
	}
}

// exited takes the status from the reaper, which holds sup.mu.
func (c *Child) exited(ws syscall.WaitStatus, ru syscall.Rusage) {
	c.status = newStatus(ws, ru)
	c.gone = true
	if c.sup.main == c {
		c.sup.main = nil
	}
	close(c.reaped)
	go c.finish()
}

// finish delivers what the pipes still hold, within DrainWait.
func (c *Child) finish() {
	var all sync.WaitGroup
	for _, p := range c.pumps {
		all.Go(func() { p.finish(c.sup.opts.DrainWait) })
	}
	all.Wait()
	if c.stdin != nil {
		_ = c.stdin.Close()
	}
	if c.main {
		c.sup.term.Detach()
	}
	close(c.done)
}

// forwardLocked passes on a signal that the agent received. Job control and the
// window's size concern the whole group; anything else is for the child alone,
// as with tini and docker: SIGUSR1 to a DataLoader worker without a handler would
// kill it.
func (c *Child) forwardLocked(sig syscall.Signal) {
	if sig == syscall.SIGCONT || sig == syscall.SIGWINCH {
		c.signalGroupLocked(sig)
		return
	}
	if !c.gone {
		_ = syscall.Kill(c.pid, sig)
	}
}

func (c *Child) signalGroup(sig syscall.Signal) {
	c.sup.mu.Lock()
	defer c.sup.mu.Unlock()
	c.signalGroupLocked(sig)
}

// signalGroupLocked signals the group only while its leader is unreaped: that is
// as long as the number is certainly ours. What remains of a group after its
// leader is found by descent, not by number.
func (c *Child) signalGroupLocked(sig syscall.Signal) {
	if !c.gone {
		_ = syscall.Kill(-c.pid, sig)
	}
}
