package door

import "sync"

// AtOnce bounds how much of one kind each user has going.
type AtOnce struct {
	most int
	mu   sync.Mutex
	of   map[string]int
}

// NewAtOnce lets each user have so many.
func NewAtOnce(most int) *AtOnce { return &AtOnce{most: most, of: map[string]int{}} }

// Begin is false where the user has the most already; else End must follow.
func (a *AtOnce) Begin(user string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of[user] >= a.most {
		return false
	}
	a.of[user]++
	return true
}

// End is the end of one.
func (a *AtOnce) End(user string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of[user]--; a.of[user] == 0 {
		delete(a.of, user)
	}
}
