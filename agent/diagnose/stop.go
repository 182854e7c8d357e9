package diagnose

import (
	"github.com/vision-platform/trainer-agent/contract"
)

// preparation: the child never ran, and the one that prepared it said why.
func preparation(c findings) (*contract.Failure, bool) {
	return found(contract.AsFailure(c.Err))
}

// ownStop: the agent ended the child, so how the child ended says nothing. A
// child that reported success and left with 0 inside the grace had finished.
func ownStop(c findings) (*contract.Failure, bool) {
	switch c.Stop {
	case StopRequested:
		if c.ExitCode == 0 && c.ChildDone != nil && c.ChildDone.Status == contract.StatusSucceeded {
			return nil, false
		}
		return found(stopped(c.Evidence))
	case StopTimeLimit:
		return found(contract.Failf(contract.CodeTrainingTimeout, "Training exceeded maximum time limit%s%s.",
			within(c.Settings.MaxTrainingTime), afterEpoch(c.Evidence)).
			WithHint("Raise MAX_TRAINING_TIME_SECONDS, or %s.", shorter(c.JobType)))
	case StopHang:
		return found(hang(c))
	case StopGPU:
		if f := gpuFailure(c, anyFault); f != nil {
			return found(f)
		}
		return found(contract.Failf(contract.CodeGPUError, "A GPU failed and the agent stopped the training.").
			WithHint("Run again on another machine."))
	case StopNode: // the child may have failed before, for a reason of its own
		if c.ExitCode == 0 {
			return otherNodes(c)
		}
	}
	return nil, false
}

func stopped(e Evidence) *contract.Failure {
	return contract.Failf(contract.CodeStopped, "The job was stopped from outside before it ended%s.", afterEpoch(e)).WithHint("%s", e.Again.hint())
}

// StoppedLate is the failure of a job that a stop left no time to upload what it had made.
func StoppedLate(e Evidence) *contract.Failure { return seal(stopped(e)) }

// hang blames the hardware where the hardware was seen to fail.
func hang(c findings) *contract.Failure {
	if f := gpuFailure(c, anyFault); f != nil {
		return f
	}
	f := contract.Failf(contract.CodeHung, "Training made no progress%s%s and was stopped.",
		forAWhile(c.Settings.HangTimeout), afterEpoch(c.Evidence)).
		WithHint("%s", fill(c.Settings, "Look at the last lines of the log for where it stopped. NUM_WORKERS=0{num_workers} rules out a deadlock of the data loader."))
	return f.WithEvidence(c.log.Last(10)...)
}
