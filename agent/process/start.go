package process

import (
	"errors"
	"fmt"

	"github.com/vision-platform/trainer-agent/agent/process/cgroup"
	"github.com/vision-platform/trainer-agent/agent/process/start"
)

// Start starts a program in a session and group of its own. The error of a
// program that cannot run is a *contract.Failure around an *ExecError.
func (s *Supervisor) Start(spec Spec) (*Child, error) {
	path, err := spec.Command().LookPath()
	if err != nil {
		return nil, err
	}
	files, err := start.Open(spec, s.term.Prepare)
	if err != nil {
		return nil, fmt.Errorf("preparing the files of %s: %w", spec.Args[0], err)
	}
	c := &Child{
		sup: s, main: spec.Main, stdin: files.Stdin, output: files.Pumps,
		reaped: make(chan struct{}), done: make(chan struct{}),
	}
	err = s.launch(c, path, spec, files)
	files.CloseChildEnds()
	if err != nil {
		files.CloseOurs()
		return nil, err
	}
	c.output.Run()
	return c, nil
}

// launch forks and registers under one lock, so the reaper cannot meet a child
// that it does not know.
func (s *Supervisor) launch(c *Child, path string, spec Spec, files *start.Files) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("starting a process: the supervisor is closed")
	}
	if spec.Main {
		if r, ok := s.asked.First(); ok {
			return r
		}
		if s.main != nil {
			return fmt.Errorf("starting %s: the main child %d still runs", spec.Args[0], s.main.pid)
		}
	}
	pid, err := start.Fork(path, spec, files, s.groupOf(spec), c.reaped)
	if err != nil {
		return spec.Command().Failure(path, err)
	}
	c.pid = pid
	s.children[pid] = c
	start.Settle(pid, spec)
	if spec.Main {
		s.main, s.mainSeen = c, true
		s.term.Attach(files.PTY, pid)
		for _, sig := range s.waiting {
			c.forwardLocked(sig)
		}
		s.waiting = nil
	}
	return nil
}

// groupOf is the cgroup of the main child; others stay in the agent's own.
func (s *Supervisor) groupOf(spec Spec) *cgroup.Group {
	if spec.Main {
		return s.group
	}
	return nil
}
