package submission

import "sync"

// Bell wakes everybody who waits for a change in this process. Changes of other
// hubs on the same database are seen by looking again after a while.
type Bell struct {
	mu   sync.Mutex
	next chan struct{}
}

func newBell() *Bell { return &Bell{next: make(chan struct{})} }

// Changed returns a channel that is closed at the next change. Ask for it before
// looking, or a change in between is missed.
func (b *Bell) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.next
}

// Ring says that something changed.
func (b *Bell) Ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.next)
	b.next = make(chan struct{})
}
