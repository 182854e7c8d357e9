package api

import "sync"

// atOnce bounds how much of one kind each user has going.
type atOnce struct {
	most int
	mu   sync.Mutex
	of   map[string]int
}

func newAtOnce(most int) *atOnce { return &atOnce{most: most, of: map[string]int{}} }

func (a *atOnce) begin(user string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of[user] >= a.most {
		return false
	}
	a.of[user]++
	return true
}

func (a *atOnce) end(user string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of[user]--; a.of[user] == 0 {
		delete(a.of, user)
	}
}
