package start

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// roomBelow is what of a limit of processes and threads is kept from the child, so
// that the agent, which is the same user, still gets a thread.
func roomBelow(limit uint64) uint64 { return min(32, limit/4) }

// leaveRoom lowers the child's limit of processes and threads below the agent's
// own. It counts per user, so there is nothing to do where there is no limit, and
// for root, whom it does not bind.
func leaveRoom(pid int) {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NPROC, &limit) != nil || limit.Cur == unix.RLIM_INFINITY {
		return
	}
	limit.Cur -= roomBelow(limit.Cur)
	limit.Max = min(limit.Max, limit.Cur)
	_ = unix.Prlimit(pid, unix.RLIMIT_NPROC, &limit, nil) // the child may be gone already
}

// threadsToMake is spareThreads, or less under limits so low that they would be
// eaten by the spare ones.
func threadsToMake() int {
	n := uint64(spareThreads)
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NPROC, &limit) == nil && limit.Cur != unix.RLIM_INFINITY {
		n = min(n, limit.Cur/4)
	}
	for _, file := range []string{"/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max"} { // as a container sees its own
		raw, _ := os.ReadFile(file)
		if most, err := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 64); err == nil {
			n = min(n, most/4)
		}
	}
	return int(n)
}
