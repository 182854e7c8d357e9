package process

import (
	"fmt"
	"syscall"

	"github.com/vision-platform/trainer-agent/agent/process/signals"
)

// DumpSignal makes a Python child with the SDK print the stacks of all its threads
// to stderr (faulthandler.register).
const DumpSignal = syscall.SIGUSR1

// DumpStacks sends DumpSignal to every process of the child that has a handler
// for it, and to no other, because without one it kills. It returns how many were
// asked; the answer comes as output.
func (c *Child) DumpStacks() (int, error) {
	all, err := c.processes()
	if err != nil {
		return 0, fmt.Errorf("asking for stack dumps: %w", err)
	}
	asked := 0
	for _, p := range all {
		if !p.Dead() && p.Handles(DumpSignal) && p.Signal(DumpSignal) {
			asked++
		}
	}
	return asked, nil
}

// passDump hands DumpSignal to the first process of the main child that has a
// handler for it, the child itself before those below. Without a handler the signal
// kills, and the person who typed kill -USR1 wanted to look, not to end a training.
func (s *Supervisor) passDump() {
	s.mu.Lock()
	c := s.main
	s.mu.Unlock()
	if c == nil {
		return
	}
	all, err := c.processes()
	if err != nil {
		s.opts.Log.Warn("a signal is not passed on", "signal", signals.Name(DumpSignal), "error", err)
		return
	}
	for _, p := range all {
		if !p.Dead() && p.Handles(DumpSignal) && p.Signal(DumpSignal) {
			return
		}
	}
	s.opts.Log.Warn("a signal is not passed on: no process of the training has a handler for it, and it would be killed", "signal", signals.Name(DumpSignal))
}
