package job

import (
	"sync"

	"github.com/vision-platform/trainer-agent/contract"
)

// Bus passes the child's callbacks on to those who listen, each once, in the order
// in which they came. The Tracker is the first listener, so that every other one
// finds in it what it was just told.
type Bus struct {
	mu        sync.RWMutex
	listeners []func(contract.Message)
}

// Listen adds a listener. It is called in the goroutine of Publish and must be
// quick.
func (b *Bus) Listen(f func(contract.Message)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listeners = append(b.listeners, f)
}

// Publish decodes a message, if nobody has yet, and tells every listener of it.
func (b *Bus) Publish(m contract.Message) {
	m.Payload = m.Decoded() // what cannot be decoded is still passed on
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, f := range b.listeners {
		f(m)
	}
}
