package resources

import (
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
)

// Limits are the soft resource limits of one process. Unlimited is MaxInt64, a
// limit that could not be read is zero.
type Limits struct {
	OpenFiles    int64
	Processes    int64
	LockedMemory int64 // bytes
}

// filesPerWorker is what torch's file_descriptor sharing keeps open for one
// worker with its prefetched batches, rounded up; ours.
const filesPerWorker = 64

// LimitsOf reads the limits of a process. The Go runtime raises its own soft
// limit of open files and gives the old one back to what it starts, so the
// child's limits are the ones to look at, not the agent's.
func LimitsOf(root string, pid int) Limits {
	var l Limits
	for line := range fileLines(filepath.Join(root, "proc", strconv.Itoa(pid), "limits")) {
		for name, to := range map[string]*int64{
			"Max open files": &l.OpenFiles, "Max processes": &l.Processes, "Max locked memory": &l.LockedMemory,
		} {
			if rest, ok := strings.CutPrefix(line, name); ok {
				*to = softLimit(rest)
			}
		}
	}
	return l
}

func softLimit(columns string) int64 {
	fields := strings.Fields(columns)
	if len(fields) == 0 {
		return 0
	}
	if fields[0] == "unlimited" {
		return math.MaxInt64
	}
	v, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	return v
}

// CheckChild warns when the limits of the process just started are too small for
// its workers. Call it once, after the start.
func (s *Sampler) CheckChild(pid int) {
	s.warn(limitWarnings(LimitsOf(s.opts.Root, pid), s.opts.NumWorkers))
}

func limitWarnings(l Limits, workers int) []warning {
	need := int64(1024 + filesPerWorker*max(workers, 0))
	if workers <= 0 || l.OpenFiles == 0 || l.OpenFiles >= need {
		return nil
	}
	return []warning{{"open_files", fmt.Sprintf(
		"A process may open only %d files; %d workers can need %d. Raise the container's nofile limit or use fewer workers.",
		l.OpenFiles, workers, need),
		map[string]any{"resource": "open_files", "limit": l.OpenFiles, "need": need, "num_workers": workers}}}
}
