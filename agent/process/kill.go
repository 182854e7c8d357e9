package process

import (
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

// killRound is how often the process table is looked at again while killed
// processes take their time to die.
const killRound = 20 * time.Millisecond
