package process

import "time"

// Usage is what a child and everything that descends from it use: evidence of
// life when nothing is printed.
type Usage struct {
	Processes       int
	Threads         int
	CPU             time.Duration // consumed so far, including what ended meanwhile
	RSS             int64         // bytes; shared pages count once for each process
	Running         int           // processes on a CPU or waiting for one
	Uninterruptible int           // processes in state D: waiting for a disk or a driver
}

// Usage reads the process table. CPU only grows; compare two readings to see
// whether anything was computed in between.
func (c *Child) Usage() (Usage, error) {
	all, err := c.processes()
	if err != nil {
		return Usage{}, err
	}
	var u Usage
	for _, p := range all {
		u.CPU += p.CPU
		if p.Dead() {
			continue
		}
		u.Processes++
		u.Threads += p.Threads
		u.RSS += p.RSS
		switch p.State {
		case 'R':
			u.Running++
		case 'D':
			u.Uninterruptible++
		}
	}
	if c.main {
		u.CPU += c.sup.reapedCPU()
	}
	return u, nil
}

func (s *registry) reapedCPU() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.orphanCPU
}
