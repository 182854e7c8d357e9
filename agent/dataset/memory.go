package dataset

import (
	"math"
	"runtime/debug"
)

const (
	heapGoal     = 48 << 20 // bytes in which half a million files fit
	heapFiles    = 500_000
	bytesPerFile = 80 // beyond that: the directory's entry, its name, and slack
)

// frugal asks the collector to keep the heap near its live size while a dataset
// comes in: the agent shares the container's memory with the training, and by
// default garbage may double what the directory takes. A limit that the operator
// has set (GOMEMLIMIT) stands. The goal is soft: what is needed is had.
func frugal() (restore func()) {
	before := debug.SetMemoryLimit(-1)
	if before != math.MaxInt64 {
		return func() {}
	}
	debug.SetMemoryLimit(heapGoal)
	return func() { debug.SetMemoryLimit(before) }
}

// allow raises the goal for a directory of very many files, so that the
// collector does not run without end.
func allow(files int64) {
	goal := heapGoal + max(0, files-heapFiles)*bytesPerFile
	if debug.SetMemoryLimit(-1) == heapGoal && goal > heapGoal {
		debug.SetMemoryLimit(goal)
	}
}
