package process

import (
	"sync"
	"syscall"
	"time"

	"github.com/vision-platform/trainer-agent/agent/process/reap"
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

// reap collects every dead process there is.
func (s *registry) reap() {
	s.mu.Lock()
	defer s.mu.Unlock()
	reaped := reap.All(func(pid int, status reap.Status) {
		child, ours := s.children[pid]
		if !ours {
			s.orphans++
			s.orphanCPU += status.CPU()
			return
		}
		delete(s.children, pid)
		child.exited(status)
	})
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
