package cluster

import (
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

const runAgain = "Run it again: it resumes from its last checkpoint."

// Settle is how a member ends: as the leader says, so that no machine succeeds
// alone or is run again alone. own is what happened on this machine; v is nil when
// no verdict came, because this machine was asked to stop meanwhile, or because the
// leader was lost.
func Settle(own contract.Result, v *Verdict, stopped bool) (settled contract.Result, warning string) {
	if v != nil {
		return follow(own, *v)
	}
	switch {
	case stopped:
		own.Error = contract.Failf(contract.CodeStopped, "The job was stopped from outside before it ended.").WithHint(runAgain)
	case own.Error == nil:
		own.Error = contract.Failf(contract.CodeNodeLost, "Node 0 was lost after the training: how the job ended is not known.").WithHint(runAgain)
	case own.Error.Code == contract.CodeNodeLost && !strings.HasPrefix(own.Error.Message, "Node 0"):
		// The training's connection broke before the agents' link did.
		own.Error = contract.Failf(contract.CodeNodeLost, "Node 0 was lost: it gave no more sign of life.").
			WithHint(runAgain).WithEvidence(own.Error.Evidence...)
	}
	own.Status, own.ExitCode = contract.StatusFailed, own.Error.ExitCode()
	return own, ""
}

// follow makes the leader's verdict this machine's. A reason of its own stays
// beside a failed job's.
func follow(own contract.Result, v Verdict) (_ contract.Result, warning string) {
	if own.Error != nil && v.Failure == nil {
		warning = "The job succeeded, although on this machine: " + own.Error.Line()
	}
	own.ExitCode, own.Status = v.Exit, contract.StatusSucceeded
	if v.Failure != nil {
		own.Status = contract.StatusFailed
	}
	if v.Failure == nil || own.Error == nil || own.Error.Code == contract.CodeNodeLost {
		own.Error = v.Failure
	}
	return own, warning
}
