// Package stop says in which order the processes of a training are asked to end.
//
// It promises that a trainer which saves its last checkpoint still has its workers, and
// that a rank gets a signal once. It knows processes and asks none: that is
// agent/process's.
package stop

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/agent/process/table"
)

// lateBy is how long before the end of its grace the rest of a group is asked: long
// enough for a process that has just been waiting to leave.
const lateBy = 5 * time.Second

// Late is when the rest of the group is asked.
func Late(grace time.Duration) time.Duration { return grace - min(lateBy, grace/4) }

// shells run their traps only after the program that they wait for has ended.
var shells = []string{"sh", "bash", "dash", "ash", "zsh", "ksh", "busybox"}

// First are the processes that a stop asks first: the leader and, where it is a
// shell or has no handler of its own, the first process below it that has one. The
// others are left alone, because a trainer that saves its last checkpoint still
// needs its data-loading workers, and a launcher passes the signal on itself: a rank
// would get it twice. nil means that nobody has a handler, so nothing will be saved.
func First(all []table.Process, leader int, handles func(table.Process) bool) []table.Process {
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

// Over reports that everybody who was asked is gone.
func Over(asked []table.Process) bool {
	return !slices.ContainsFunc(asked, func(p table.Process) bool { return p.Same() })
}

// Survivors is the error that names those which could not be ended; nil without one.
func Survivors(left []table.Process) error {
	if len(left) == 0 {
		return nil
	}
	names := make([]string, 0, len(left))
	for _, p := range left {
		names = append(names, p.String())
	}
	return fmt.Errorf("%d processes could not be killed: %s", len(left), strings.Join(names, ", "))
}
