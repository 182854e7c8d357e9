package resume

import (
	"context"
	"fmt"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

// Stage looks for what an earlier run of the same job left behind.
type Stage struct {
	Options func() Options // asked at the start
	Off     bool           // AGENT_RESUME=off
	Epochs  int            // that the job asks for
	Tracker *job.Tracker
	Events  *job.Events

	Got *Resumed // nil when the training begins at the beginning
}

// Start looks, and fetches the newest checkpoint.
func (r *Stage) Start(ctx context.Context) error {
	r.Tracker.Enter(job.PhaseResume)
	if r.Off {
		return nil
	}
	found, err := Find(ctx, r.Options())
	if err != nil || found == nil {
		return err
	}
	for _, skipped := range found.Skipped {
		r.Events.Warn("A checkpoint could not be resumed from: " + skipped)
	}
	if !found.Found() {
		return nil
	}
	r.Got = found
	r.Tracker.Resume(found.Epoch, found.History)
	r.Events.Emit(contract.EventTrainingResumed, found.goesOn(r.Epochs),
		map[string]any{"epoch": found.Epoch, "checkpoint_path": found.URI, "bytes": found.Bytes})
	return nil
}

// goesOn says from where, and whether anything is left of the epochs that are asked for;
// a file may not say which epoch it is of.
func (r *Resumed) goesOn(epochs int) string {
	switch {
	case r.Epoch == 0:
		return fmt.Sprintf("Training continues from %s; which epoch it is of is not known", r.Name)
	case r.Epoch >= epochs:
		return fmt.Sprintf("The run is finished already with %d epochs: EPOCHS=%d leaves nothing to train", r.Epoch, epochs)
	}
	return fmt.Sprintf("Training continues after epoch %d", r.Epoch)
}

// Stop leaves it for the next run.
func (*Stage) Stop(context.Context) error { return nil }

// Epoch is how many epochs the checkpoint holds, 0 without one.
func (r *Stage) Epoch() int {
	if r.Got == nil {
		return 0
	}
	return r.Got.Epoch
}

// Path is where the checkpoint was brought to, "" without one.
func (r *Stage) Path() string {
	if r.Got == nil {
		return ""
	}
	return r.Got.Path
}
