package diagnose

import (
	"github.com/vision-platform/trainer-agent/contract"
)

// exitZero: the child left with 0. It still failed when it said so itself, when a
// training job left no checkpoint, a test run no metrics and another job nothing at all,
// or when every epoch's loss was NaN.
func exitZero(c findings) (*contract.Failure, bool) {
	if c.ExitCode != 0 || c.Signal != 0 {
		return nil, false
	}
	if c.ChildDone != nil && c.ChildDone.Status == contract.StatusFailed {
		return nil, false // the later rules look for the cause
	}
	if c.JobType != contract.JobTraining && c.JobType != "" {
		return leftNothing(c)
	}
	if c.LastEpoch > 0 && len(c.NaNEpochs) >= c.LastEpoch {
		return found(nanFailure(c, nil).WithEvidence(c.log.Last(10)...))
	}
	if c.Checkpoints == 0 && c.Torn != "" {
		return found(contract.Failf(contract.CodeTrainingFailed,
			"The training script ended without an error but left no complete checkpoint%s: %s.", afterEpoch(c.Evidence), c.Torn).
			WithHint("Write a checkpoint beside its name and rename it when it is whole, and end the script only when it is written.").
			WithEvidence(c.log.Last(10)...))
	}
	if c.Checkpoints == 0 {
		return found(contract.Failf(contract.CodeTrainingFailed,
			"The training script ended without an error but left no complete checkpoint%s.", afterEpoch(c.Evidence)).
			WithHint("Save checkpoints below OUTPUT_DIR or CHECKPOINT_DIR, and check that the script trains at all.").
			WithEvidence(c.log.Last(10)...))
	}
	return nil, true
}

// leftNothing: the results and exported models of a job are files, and a test run's
// are metrics too.
func leftNothing(c findings) (*contract.Failure, bool) {
	if c.Checkpoints != 0 && c.Measures && (c.ChildDone == nil || !c.ChildDone.Measured) {
		return found(contract.Failf(contract.CodeTrainingFailed, "The training script ended without an error but reported no metrics of the test run.").
			WithHint("End the script with test_run_done and its overall_metrics, as trainer_vision.inference.predict does.").
			WithEvidence(c.log.Last(10)...))
	}
	if c.Checkpoints != 0 {
		return nil, true
	}
	return found(contract.Failf(contract.CodeTrainingFailed, "The training script ended without an error but left no file.").
		WithHint("Write what the job is for below OUTPUT_DIR, and check that the script does its work at all.").
		WithEvidence(c.log.Last(10)...))
}

// Warnings are what a success should still say.
func Warnings(e Evidence) []string {
	var w []string
	if n := len(e.NaNEpochs); n > 0 {
		w = append(w, sprintf("The loss was NaN or infinite in %d epochs, first in epoch %d.", n, e.NaNEpochs[0]))
	}
	if e.Zero != "" {
		w = append(w, sprintf("%s, the primary metric, was never above 0, so the best epoch is only the first of equals: the model got nothing right on the validation images. Look at the labels that were read, train longer, or start from pretrained weights.", e.Zero))
	}
	if k := e.System.OOMKills; k != nil && *k > 0 {
		w = append(w, sprintf("The kernel killed %s of the container for memory.", processes(*k)))
	}
	for _, fault := range e.GPU.Faults {
		if fault.Fatal {
			w = append(w, fault.Message)
		}
	}
	return w
}
