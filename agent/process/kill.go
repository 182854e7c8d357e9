package process

import (
	"context"
	"slices"
	"time"

	"github.com/vision-platform/trainer-agent/agent/process/table"
)

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
			s.group.Kill()
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

// lingering is how long helpers of a child that has ended may take to notice:
// multiprocessing's resource tracker does within milliseconds.
const lingering = 300 * time.Millisecond

// endsAlone is PyTorch's keeper of shared memory, by the name that the kernel keeps: it
// ends once nobody is connected to it, for which a busy machine takes longer than lingering.
const endsAlone = "torch_shm_manag"

// linger waits for what a child left running to end by itself, and returns the rest that
// the script should have waited for.
func (s *Supervisor) linger(ctx context.Context, c *Child) []table.Process {
	ctx, stop := context.WithTimeout(ctx, lingering)
	defer stop()
	round := time.NewTicker(killRound)
	defer round.Stop()
	for {
		left := living(descendants(s, c))
		if len(left) == 0 {
			return nil
		}
		select {
		case <-round.C:
		case <-ctx.Done():
			return slices.DeleteFunc(left, func(p table.Process) bool { return p.Name == endsAlone })
		}
	}
}

// killRound is how often the process table is looked at again while killed
// processes take their time to die.
const killRound = 20 * time.Millisecond
