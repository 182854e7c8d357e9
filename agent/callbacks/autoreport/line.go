package autoreport

import "time"

// A pending epoch waits for its grace to pass.
type pending struct {
	row   row
	group string
	seen  time.Time
}

// A line has the epochs that are not reported yet, in the order of their discovery.
type line struct {
	waiting []*pending
	epochs  map[int]*pending
}

// add puts an epoch at the end, or gives one that waits its newest row, which may
// have more metrics by now. It reports whether the epoch is new.
func (l *line) add(p pending) bool {
	if old := l.epochs[p.row.epoch]; old != nil {
		old.row = p.row
		return false
	}
	if l.epochs == nil {
		l.epochs = map[int]*pending{}
	}
	l.waiting = append(l.waiting, &p)
	l.epochs[p.row.epoch] = &p
	return true
}

// take removes epochs from the front while they are ripe; followed says that there
// is one behind.
func (l *line) take(ripe func(p pending, followed bool) bool) (taken []pending) {
	for len(l.waiting) > 0 && ripe(*l.waiting[0], len(l.waiting) > 1) {
		taken = append(taken, *l.waiting[0])
		delete(l.epochs, l.waiting[0].row.epoch)
		l.waiting = l.waiting[1:]
	}
	return taken
}

// putBack returns what was taken to the front.
func (l *line) putBack(taken []pending) {
	rest := l.waiting
	l.waiting = nil
	for _, p := range taken {
		l.add(p)
	}
	l.waiting = append(l.waiting, rest...)
}
