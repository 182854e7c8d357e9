package runner

import (
	"syscall"

	"github.com/prometheus/procfs"
)

// used is what a process and its descendants hold.
type used struct {
	memory int64 // bytes
	tasks  int
}

// usage adds up the processes below pid, and pid. Shared pages are counted once for each
// process until that is too much; only then each one's share is asked for, which is slow,
// and not of more processes than there may be.
func usage(pid int, limits Limits) (sum used, known bool) {
	all, err := procfs.AllProcs()
	if err != nil {
		return sum, false
	}
	tree := below(pid, all)
	for _, p := range tree {
		sum.tasks += p.stat.NumThreads
		sum.memory += int64(p.stat.ResidentMemory())
	}
	if limits.Memory <= 0 || sum.memory <= limits.Memory || limits.Processes > 0 && sum.tasks > limits.Processes {
		return sum, true
	}
	sum.memory = 0
	for _, p := range tree {
		if share, err := p.proc.ProcSMapsRollup(); err == nil {
			sum.memory += int64(share.Pss)
		}
	}
	return sum, true
}

// member is a process of a tree.
type member struct {
	proc procfs.Proc
	stat procfs.ProcStat
}

// below are a process and its descendants, parents first.
func below(pid int, all procfs.Procs) (tree []member) {
	children := map[int][]member{}
	for _, p := range all {
		stat, err := p.Stat()
		if err != nil { // it has ended
			continue
		}
		if p.PID == pid {
			tree = append(tree, member{p, stat})
		}
		children[stat.PPID] = append(children[stat.PPID], member{p, stat})
	}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i].proc.PID]...)
	}
	return tree
}

// killTree ends a process, its group and its descendants, whatever session they made. In
// namespaces the first kill is enough: the kernel ends the others.
func killTree(pid int) {
	all, err := procfs.AllProcs()
	if err == nil {
		for _, p := range below(pid, all) {
			_ = syscall.Kill(p.proc.PID, syscall.SIGKILL)
		}
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL)
}
