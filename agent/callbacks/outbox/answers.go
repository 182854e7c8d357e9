package outbox

import "sync"

// A reply is what became of a message whose caller waits.
type reply struct {
	body      []byte
	delivered bool
}

// answers bring the backend's answers to the callers that wait for them.
type answers struct {
	mu      sync.Mutex
	waiters map[uint64]chan reply
}

func newAnswers() *answers { return &answers{waiters: map[uint64]chan reply{}} }

func (a *answers) expect(seq uint64, ch chan reply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiters[seq] = ch
}

func (a *answers) forget(seq uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waiters, seq)
}

func (a *answers) give(seq uint64, r reply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ch, ok := a.waiters[seq]; ok {
		ch <- r // has room for one
		delete(a.waiters, seq)
	}
}
