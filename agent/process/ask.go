package process

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"

	"github.com/vision-platform/trainer-agent/agent/process/stop"
	"github.com/vision-platform/trainer-agent/agent/process/table"
)

// asking is a stop during its grace.
type asking struct {
	child  *Child
	signal syscall.Signal
	grace  time.Duration
	first  []table.Process // who was asked first, nil for the whole group
	rest   bool            // somebody is still to be asked
}

// ask sends the first signal, and SIGCONT to all, because a stopped process handles
// nothing. It reports whether there was anybody and a grace to wait for them.
func ask(c *Child, sig syscall.Signal, grace time.Duration) (*asking, bool) {
	if grace <= 0 {
		return nil, false
	}
	all, _ := table.Read() // without one, the whole group is asked
	c.sup.mu.Lock()
	defer c.sup.mu.Unlock()
	if c.gone {
		return nil, false
	}
	c.stopSent = true
	first := stop.First(all, c.pid, func(p table.Process) bool { return p.Handles(sig) })
	if first == nil {
		c.signalGroupLocked(sig)
	}
	for _, p := range first {
		p.Signal(sig)
	}
	c.signalGroupLocked(syscall.SIGCONT)
	return &asking{child: c, signal: sig, grace: grace, first: first, rest: first != nil}, true
}

// askRest sends the signal to those of the group that have not been asked.
func (a *asking) askRest() {
	if !a.rest {
		return
	}
	a.rest = false
	all, err := table.Read()
	if err != nil {
		return
	}
	for _, p := range all {
		if p.Group == a.child.pid && !p.Dead() && !slices.ContainsFunc(a.first, p.Is) {
			p.Signal(a.signal)
			p.Signal(syscall.SIGCONT)
		}
	}
}

// wait waits until no process of the child's group is left and reports whether that
// came within the grace. Every last member of a group is reaped either by us or before
// its parent is, so looking after each reaping is enough.
func (a *asking) wait(ctx context.Context) bool {
	s := a.child.sup
	ends := time.Now().Add(a.grace)
	deadline := time.NewTimer(a.grace)
	defer deadline.Stop()
	late := time.NewTimer(stop.Late(a.grace))
	defer late.Stop()
	hurry := s.asked.Hurry
	for {
		changed := s.event()
		if errors.Is(syscall.Kill(-a.child.pid, 0), syscall.ESRCH) {
			return true
		}
		if a.rest && stop.Over(a.first) {
			a.askRest()
		}
		select {
		case <-changed:
		case <-late.C:
			a.askRest()
		case <-hurry: // the second signal went to the whole group
			hurry, a.rest = nil, false
			deadline.Reset(min(time.Until(ends), s.opts.Hurry))
		case <-deadline.C:
			return false
		case <-s.asked.Now:
			return false
		case <-ctx.Done():
			return false
		}
	}
}
