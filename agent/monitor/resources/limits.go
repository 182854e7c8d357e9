package resources

import (
	"fmt"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
)

// filesPerWorker is what torch's file_descriptor sharing keeps open for one
// worker with its prefetched batches, rounded up; ours.
const filesPerWorker = 64

// CheckChild warns when the limits of the process just started are too small for
// its workers. Call it once, after the start: the Go runtime raises its own soft
// limit of open files and gives the old one back to what it starts, so the child's
// limits are the ones to look at, not the agent's.
func (s *Sampler) CheckChild(pid int) {
	s.warn(limitWarnings(host.LimitsOf(s.opts.Root, pid), s.opts.NumWorkers))
}

func limitWarnings(l host.Limits, workers int) []warning {
	need := int64(1024 + filesPerWorker*max(workers, 0))
	if workers <= 0 || l.OpenFiles == 0 || l.OpenFiles >= need {
		return nil
	}
	return []warning{{"open_files", fmt.Sprintf(
		"A process may open only %d files; %d workers can need %d. Raise the container's nofile limit or use fewer workers.",
		l.OpenFiles, workers, need),
		map[string]any{"resource": "open_files", "limit": l.OpenFiles, "need": need, "num_workers": workers}}}
}
