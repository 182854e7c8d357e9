package process

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

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
	Survivors []table.Process // not gone within KillWait: uninterruptible sleep, or not ours to kill
}

// Err names the survivors; nil when there are none.
func (o Outcome) Err() error { return survivorsError(o.Survivors) }

// Stop ends the child and everything that descends from it: the signal to those who
// handle it (firstAsked), to the rest of the group once these are gone or late in
// the grace, up to Grace for the whole group, not only its leader, to be gone — a
// shell that dies at once does not cut short the trainer it started — then SIGKILL
// for the group and for every remaining descendant, wherever it went. A second stop request cuts the
// grace to Options.Hurry, a third or the end of ctx to nothing. It returns within
// Grace + KillWait.
//
// The first call counts; later and concurrent ones wait for its outcome. After
// the child ended by itself it only removes what the child left behind.
func (c *Child) Stop(ctx context.Context, stop Stop) Outcome {
	c.stop.Do(func() { c.outcome = c.stopNow(ctx, stop) })
	return c.outcome
}

func (c *Child) stopNow(ctx context.Context, stop Stop) Outcome {
	began := time.Now()
	out := Outcome{Reason: stop.Reason}
	if stop.Signal == 0 {
		stop.Signal = c.sup.asked.signalFor(stop.Reason)
	}
	out.Signal = stop.Signal
	asked, ok := []table.Process(nil), false
	if stop.Grace > 0 {
		asked, ok = c.ask(stop.Signal)
	}
	if ok {
		out.Killed = !c.waitGroup(ctx, stop, asked)
		out.Grace = time.Since(began)
	} else {
		out.Killed = c.alive()
	}
	c.signalGroup(syscall.SIGKILL)
	out.Survivors = c.sup.killAll(c)
	if len(out.Survivors) == 0 {
		<-c.done // its pumps are bounded
	}
	out.Took = time.Since(began)
	return out
}

func (c *Child) alive() bool {
	c.sup.mu.Lock()
	defer c.sup.mu.Unlock()
	return !c.gone
}

// waitGroup waits until no process of the child's group is left and reports
// whether that came within the grace. Every last member of a group is reaped
// either by us or before its parent is, so looking after each reaping is enough.
func (c *Child) waitGroup(ctx context.Context, stop Stop, asked []table.Process) bool {
	s := c.sup
	ends := time.Now().Add(stop.Grace)
	deadline := time.NewTimer(stop.Grace)
	defer deadline.Stop()
	late := time.NewTimer(lateIn(stop.Grace))
	defer late.Stop()
	hurry, left := s.asked.hurry, asked != nil
	for {
		changed := s.event()
		if errors.Is(syscall.Kill(-c.pid, 0), syscall.ESRCH) {
			return true
		}
		if left && over(asked) {
			c.askRest(stop.Signal, asked)
			left = false
		}
		select {
		case <-changed:
		case <-late.C:
			if left {
				c.askRest(stop.Signal, asked)
				left = false
			}
		case <-hurry: // the second signal went to the whole group
			hurry, left = nil, false
			deadline.Reset(min(time.Until(ends), s.opts.Hurry))
		case <-deadline.C:
			return false
		case <-s.asked.now:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// killAll kills the descendants of c (nil: of the agent) until none is left, dead
// and reaped, or for KillWait. A process that forks while it is being looked for is found in the
// next round.
func (s *Supervisor) killAll(c *Child) []table.Process {
	deadline := time.NewTimer(s.opts.KillWait)
	defer deadline.Stop()
	round := time.NewTicker(killRound)
	defer round.Stop()
	for {
		changed := s.event()
		if c == nil || c.main {
			s.group.kill()
		}
		left := descendants(s, c)
		if len(left) == 0 {
			return nil
		}
		for _, p := range living(left) {
			p.Kill()
		}
		select {
		case <-changed:
		case <-round.C:
		case <-deadline.C:
			return living(descendants(s, c))
		}
	}
}

// killRound is how often the process table is looked at again while killed
// processes take their time to die.
const killRound = 20 * time.Millisecond

func survivorsError(left []table.Process) error {
	if len(left) == 0 {
		return nil
	}
	names := make([]string, 0, len(left))
	for _, p := range left {
		names = append(names, p.String())
	}
	return fmt.Errorf("%d processes could not be killed: %s", len(left), strings.Join(names, ", "))
}
