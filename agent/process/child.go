package process

import (
	"context"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/vision-platform/trainer-agent/agent/process/clock"
	"github.com/vision-platform/trainer-agent/agent/process/start"
	"github.com/vision-platform/trainer-agent/agent/process/table"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// Child is a program that a Supervisor started.
type Child struct {
	sup    *Supervisor
	pid    int // also its process group and session
	main   bool
	output start.Pumps
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

// Clock counts the time in which the child could run, until it ends or ctx does. Give
// it the shortest time that matters.
func (c *Child) Clock(ctx context.Context, shortest time.Duration) *clock.Clock {
	return clock.Start(ctx, c.done, func() bool { return table.Stopped(c.pid) }, shortest)
}

// exited takes the status from the reaper, which holds sup.mu.
func (c *Child) exited(status Status) {
	c.status = status
	c.gone = true
	if c.sup.main == c {
		c.sup.main = nil
	}
	close(c.reaped)
	crew.Go(c.finish)
}

// finish delivers what the pipes still hold, within DrainWait.
func (c *Child) finish() {
	defer close(c.done)
	c.output.Finish(c.sup.opts.DrainWait)
	if c.stdin != nil {
		_ = c.stdin.Close()
	}
	if c.main {
		c.sup.term.Detach()
	}
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
