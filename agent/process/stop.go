package process

import (
	"context"
	"syscall"
	"time"

	"github.com/vision-platform/trainer-agent/agent/process/stop"
	"github.com/vision-platform/trainer-agent/agent/process/table"
)

// Reason is why a child was stopped, for the log and the diagnosis.
type Reason string

// The reasons for a stop.
const (
	ReasonRequest   Reason = "stop request" // a Request arrived
	ReasonTimeLimit Reason = "time limit"   // MAX_TRAINING_TIME_SECONDS
	ReasonHung      Reason = "hung"         // AGENT_HANG_TIMEOUT
	ReasonFailure   Reason = "failure"      // the agent cannot go on, for example the GPU is lost
	ReasonFinished  Reason = "finished"     // the child ended by itself; only its leftovers are stopped
)

// Stop says how to stop a child.
type Stop struct {
	Reason Reason
	Signal syscall.Signal // first; default the signal that asked (ReasonRequest), else SIGTERM
	Grace  time.Duration  // until SIGKILL; 0 = at once
}

// Outcome is how a stop went.
type Outcome struct {
	Reason    Reason
	Signal    syscall.Signal  // the first that was sent
	Killed    bool            // something had to be killed: the grace was not enough
	Grace     time.Duration   // between that signal and SIGKILL: less than asked for after a second request
	Took      time.Duration   // until the last process was gone
	Left      []table.Process // what a child that ended by itself left running, and did not end soon after it
	Survivors []table.Process // not gone within KillWait: uninterruptible sleep, or not ours to kill
}

// Err names the survivors; nil when there are none.
func (o Outcome) Err() error { return stop.Survivors(o.Survivors) }

// Stop ends the child and everything that descends from it: the signal to those who
// handle it (stop.First), to the rest of the group once these are gone or late in
// the grace, up to Grace for the whole group, not only its leader, to be gone — a
// shell that dies at once does not cut short the trainer it started — then SIGKILL
// for the group and for every remaining descendant, wherever it went. A second stop request cuts the
// grace to Options.Hurry, a third or the end of ctx to nothing. It returns within
// Grace + KillWait.
//
// The first call counts; later and concurrent ones wait for its outcome. After
// the child ended by itself it only removes what the child left behind.
func (c *Child) Stop(ctx context.Context, how Stop) Outcome {
	c.stop.Do(func() { c.outcome = c.stopNow(ctx, how) })
	return c.outcome
}

func (c *Child) stopNow(ctx context.Context, how Stop) Outcome {
	began := time.Now()
	out := Outcome{Reason: how.Reason, Signal: how.Signal}
	if out.Signal == 0 {
		out.Signal = c.sup.signalFor(how.Reason)
	}
	a, asked := ask(c, out.Signal, how.Grace)
	if asked {
		out.Killed = !a.wait(ctx)
		out.Grace = time.Since(began)
	} else if out.Killed = c.alive(); !out.Killed {
		out.Left = c.sup.linger(ctx, c)
	}
	c.signalGroup(syscall.SIGKILL)
	out.Survivors = c.sup.killAll(c)
	if len(out.Survivors) == 0 {
		<-c.done // its pumps are bounded
	}
	out.Took = time.Since(began)
	return out
}

// signalFor is what a stop begins with.
func (s *Supervisor) signalFor(reason Reason) syscall.Signal {
	if reason == ReasonRequest {
		return s.asked.Answer()
	}
	return syscall.SIGTERM
}

func (c *Child) alive() bool {
	c.sup.mu.Lock()
	defer c.sup.mu.Unlock()
	return !c.gone
}
