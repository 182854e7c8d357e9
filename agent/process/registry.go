package process

import (
	"errors"
	"sync"
	"syscall"
	"time"
)

// registry knows every child of the agent, from its fork to its reaping.
type registry struct {
	mu        sync.Mutex // held over fork+register and over reap+dispatch
	children  map[int]*Child
	main      *Child
	mainSeen  bool
	waiting   []syscall.Signal // came before the main child, each number once
	changed   chan struct{}    // closed and replaced whenever something was reaped
	orphans   int
	orphanCPU time.Duration
	closed    bool
}

// reap collects every dead process there is: SIGCHLD is merged by the kernel, so
// one signal may stand for thousands.
func (s *registry) reap() {
	s.mu.Lock()
	defer s.mu.Unlock()
	reaped := false
	for {
		var ws syscall.WaitStatus
		var ru syscall.Rusage
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, &ru)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			break
		}
		reaped = true
		child, ours := s.children[pid]
		if !ours {
			s.orphans++
			s.orphanCPU += cpuTime(ru)
			continue
		}
		delete(s.children, pid)
		child.exited(ws, ru)
	}
	if reaped {
		close(s.changed)
		s.changed = make(chan struct{})
	}
}

// event returns a channel that is closed when the next process is reaped.
func (s *registry) event() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Orphans is the number of processes reaped that nobody here had started.
func (s *registry) Orphans() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.orphans
}
