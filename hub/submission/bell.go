package submission

import "sync"

// bell wakes everybody who waits for a change in this process. Changes of other
// hubs on the same database are seen by looking again after a while.
type bell struct {
	mu   sync.Mutex
	next chan struct{}
}

func newBell() *bell { return &bell{next: make(chan struct{})} }

// Changed returns a channel that is closed at the next change. Ask for it before
// looking, or a change in between is missed.
func (s *Submissions) Changed() <-chan struct{} {
	s.bell.mu.Lock()
	defer s.bell.mu.Unlock()
	return s.bell.next
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.next)
	b.next = make(chan struct{})
}
