package relay

import "sync"

// maxRecent bounds the keys that are remembered.
const maxRecent = 1024

// recent remembers the answers to the child's last requests that carried an
// Idempotency-Key, so that a client which retries after a timeout of its own
// does not report an epoch twice.
type recent struct {
	mu      sync.Mutex
	answers map[string]any
	order   []string
}

func newRecent() *recent { return &recent{answers: map[string]any{}} }

func (r *recent) get(key string) (any, bool) {
	if key == "" {
		return nil, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	answer, ok := r.answers[key]
	return answer, ok
}

func (r *recent) add(key string, answer any) {
	if key == "" || len(key) > maxHeader {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.answers[key]; ok {
		return
	}
	if len(r.order) == maxRecent {
		delete(r.answers, r.order[0])
		r.order = r.order[1:]
	}
	r.order = append(r.order, key)
	r.answers[key] = answer
}
