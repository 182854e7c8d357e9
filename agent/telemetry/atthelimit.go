package telemetry

import (
	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

// AtTheLimit leaves behind what it can when memory is nearly full: after the kernel has
// killed the whole container nobody can say why.
type AtTheLimit struct {
	Run     contract.Result // names the run
	Message *Termination
	Marking *job.Marking
	Bucket  *job.Remembering
	Events  *job.Events
}

// earlyLevel is the one from which on the termination message is written early.
const earlyLevel = 95

// Full writes what is nearest first, because there may be little time.
func (a AtTheLimit) Full(level int, m host.Memory) {
	a.Marking.Marker.Memory(level, m.Used, m.Limit)
	a.Bucket.Look()
	if level < earlyLevel {
		return
	}
	r := a.Run
	r.Status, r.ExitCode = contract.StatusFailed, 128+9
	r.Error = contract.Failf(contract.CodeHostOOM, "The container ran out of memory, if it was killed: memory was at %d %% of %s.", level, contract.Bytes(m.Limit)).
		WithHint("%s", job.MemoryHint(a.Bucket.Tracker.View().Phase.Name))
	if err := a.Message.Early(r); err != nil {
		a.Events.Warn(err.Error())
	}
}

// Eased takes it back: what comes later has another reason.
func (a AtTheLimit) Eased() {
	a.Marking.Marker.Eased()
	a.Bucket.Look()
	if err := a.Message.Clear(); err != nil {
		a.Events.Warn(err.Error())
	}
}
