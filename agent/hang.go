package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/contract"
)

// idleCores is how much of a core a process may use and still look idle: the
// poll loops of a stuck NCCL or DataLoader stay below it, work does not.
const idleCores = 0.05

// hangWatch looks for a child that does nothing at all.
type hangWatch struct {
	*background
	found chan struct{} // closed when the child hangs and AGENT_HANG_STOP is set
}

// watchHang raises hang_suspected when for AGENT_HANG_TIMEOUT there was no
// output, no callback and no checkpoint, and over that time neither processor
// nor GPU did any work: never on one sign alone.
func (j *job) watchHang(child *process.Child) hangWatch {
	w := hangWatch{found: make(chan struct{})}
	if j.cfg.HangTimeout <= 0 {
		return w
	}
	w.background = start(context.Background(), func(ctx context.Context) {
		if j.hangs(ctx, child) && j.cfg.HangStop {
			close(w.found)
		}
	})
	return w
}

// hangs returns true once the child hangs, and false when ctx ends.
func (j *job) hangs(ctx context.Context, child *process.Child) bool {
	tick := time.NewTicker(max(j.cfg.HangTimeout/10, 50*time.Millisecond))
	defer tick.Stop()
	quietSince, work := j.Now(), cpuTime(child)
	for {
		select {
		case <-ctx.Done():
			return false
		case <-child.Done():
			return false
		case <-tick.C:
		}
		now, used := j.Now(), cpuTime(child)
		busy := (used - work).Seconds() > idleCores*now.Sub(quietSince).Seconds()
		if active := j.progress.view().activity; active.After(quietSince) || busy || j.gpuBusy() {
			quietSince, work = now, used
			continue
		}
		if now.Sub(quietSince) >= j.cfg.HangTimeout {
			j.reportHang(child, now.Sub(quietSince))
			return true
		}
	}
}

func (j *job) reportHang(child *process.Child, quiet time.Duration) {
	dumped, err := child.DumpStacks()
	if err != nil {
		j.log.Warn("the stacks of the process could not be asked for", "error", err)
	}
	j.emit(contract.EventHangSuspected,
		fmt.Sprintf("No output, no callback, no checkpoint and no work for %s", quiet.Round(time.Second)),
		map[string]any{"quiet_seconds": quiet.Seconds(), "stack_dumps": dumped, "stopping": j.cfg.HangStop})
}

// cpuTime is the processor time of the child and its descendants. Where it
// cannot be read it stands still, so that the other signs decide.
func cpuTime(child *process.Child) time.Duration {
	usage, err := child.Usage()
	if err != nil {
		return 0
	}
	return usage.CPU
}
