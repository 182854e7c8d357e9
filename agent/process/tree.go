package process

import "slices"

// descendants are the processes that c answers for, those among them that are dead
// but not yet reaped included; with c nil, all that the agent does. The main child
// answers for everything below the agent that no other running child accounts for,
// so also for processes that forked away from it and were re-parented to us.
// Another child answers for its subtree and its session.
func (s *Supervisor) descendants(c *Child) []Process {
	found, err := s.tree(c)
	if err != nil {
		s.opts.Log.Warn("descendants cannot be found", "error", err)
		return nil
	}
	return found
}

func living(found []Process) []Process {
	return slices.DeleteFunc(found, Process.dead)
}

// processes are the child itself and its descendants, the dead included.
func (c *Child) processes() ([]Process, error) { return c.sup.tree(c) }

func (s *Supervisor) tree(c *Child) ([]Process, error) {
	table, err := processTable()
	if err != nil {
		return nil, err
	}
	if c == nil || c.main {
		return descent(table, s.self, s.others(c)), nil
	}
	return kin(table, c.pid), nil
}

// others are the children besides c that still run; none when c is nil.
func (s *Supervisor) others(c *Child) map[int]bool {
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

// kin are pid, its descendants, and its session.
func kin(table []Process, pid int) []Process {
	found := descent(table, pid, nil)
	seen := map[int]bool{}
	for _, p := range found {
		seen[p.PID] = true
	}
	for _, p := range table {
		if !seen[p.PID] && (p.PID == pid || p.Session == pid) {
			found = append(found, p)
		}
	}
	return found
}
