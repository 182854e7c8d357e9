//go:build !linux

package process

import (
	"errors"
	"syscall"
)

// DumpSignal makes a Python child with the SDK print the stacks of all its threads.
const DumpSignal = syscall.SIGUSR1

// passDump passes the signal on as any other.
func (s *Supervisor) passDump() { s.forward(DumpSignal) }

// DumpStacks needs to know who handles the signal, which only Linux tells.
func (c *Child) DumpStacks() (int, error) {
	return 0, errors.New("asking for stack dumps: only Linux tells who handles a signal")
}
