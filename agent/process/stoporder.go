package process

import (
	"slices"
	"syscall"
	"time"

	"github.com/vision-platform/trainer-agent/agent/process/table"
)

// lateBy is how long before the end of its grace the rest of a group is asked: long
// enough for whoever has just been waiting to leave.
const lateBy = 5 * time.Second

// lateIn is when the rest of the group is asked.
func lateIn(grace time.Duration) time.Duration { return grace - min(lateBy, grace/4) }

// shells run their traps only after the program that they wait for has ended.
var shells = []string{"sh", "bash", "dash", "ash", "zsh", "ksh", "busybox"}

// firstAsked are the processes that a stop asks first: the leader and, where it is a
// shell or has no handler of its own, the first process below it that has one. The
// others are left alone, because a trainer that saves its last checkpoint still
// needs its data-loading workers, and a launcher passes the signal on itself: a rank
// would get it twice. nil means that nobody has a handler, so nothing will be saved.
func firstAsked(all []table.Process, leader int, handles func(Process) bool) []table.Process {
	at := slices.IndexFunc(all, func(p table.Process) bool { return p.PID == leader })
	if at < 0 || all[at].Dead() {
		return nil
	}
	first := all[at]
	if handles(first) && !slices.Contains(shells, first.Name) {
		return []table.Process{first}
	}
	for _, p := range table.Descent(all, leader, nil) {
		if !p.Dead() && handles(p) {
			return []table.Process{first, p}
		}
	}
	return nil
}

// ask sends the first signal, and SIGCONT to all, because a stopped process handles
// nothing. It returns who was asked, nil for the whole group, and whether there was
// anybody.
func (c *Child) ask(sig syscall.Signal) (asked []table.Process, ok bool) {
	all, _ := table.Read() // without one, the whole group is asked
	c.sup.mu.Lock()
	defer c.sup.mu.Unlock()
	if c.gone {
		return nil, false
	}
	c.stopSent = true
	asked = firstAsked(all, c.pid, func(p table.Process) bool { return p.Handles(sig) })
	if asked == nil {
		c.signalGroupLocked(sig)
	}
	for _, p := range asked {
		p.Signal(sig)
	}
	c.signalGroupLocked(syscall.SIGCONT)
	return asked, true
}

// askRest sends the signal to those of the group that have not been asked.
func (c *Child) askRest(sig syscall.Signal, asked []table.Process) {
	all, err := table.Read()
	if err != nil {
		return
	}
	for _, p := range all {
		if p.Group == c.pid && !p.Dead() && !slices.ContainsFunc(asked, p.Is) {
			p.Signal(sig)
			p.Signal(syscall.SIGCONT)
		}
	}
}

// over: everybody who was asked is gone.
func over(asked []table.Process) bool {
	return !slices.ContainsFunc(asked, func(p table.Process) bool { return p.Same() })
}
