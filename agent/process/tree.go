package process

import (
	"slices"

	"github.com/vision-platform/trainer-agent/agent/process/table"
)

// descendants are the processes that c answers for, those among them that are dead
// but not yet reaped included; with c nil, all that the agent does. The main child
// answers for everything below the agent that no other running child accounts for,
// so also for processes that forked away from it and were re-parented to us.
// Another child answers for its subtree and its session.
func descendants(s *Supervisor, c *Child) []table.Process {
	found, err := treeOf(s, c)
	if err != nil {
		s.opts.Log.Warn("descendants cannot be found", "error", err)
		return nil
	}
	return found
}

func living(found []table.Process) []table.Process {
	return slices.DeleteFunc(found, table.Process.Dead)
}

// processes are the child itself and its descendants, the dead included.
func (c *Child) processes() ([]table.Process, error) { return treeOf(c.sup, c) }

func treeOf(s *Supervisor, c *Child) ([]table.Process, error) {
	all, err := table.Read()
	if err != nil {
		return nil, err
	}
	if c == nil || c.main {
		return table.Descent(all, s.self, s.others(c)), nil
	}
	return table.Family(all, c.pid), nil
}

// others are the children besides c that still run; none when c is nil.
func (s *registry) others(c *Child) map[int]bool {
	others := map[int]bool{}
	if c == nil {
		return others
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for pid, other := range s.children {
		if other != c {
			others[pid] = true
		}
	}
	return others
}
