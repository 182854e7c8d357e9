package training

import (
	"fmt"

	"github.com/vision-platform/trainer-agent/contract"
)

// Report raises training_finished. epoch is the last one that is complete, of so many
// that were asked for.
func (t *Training) Report(e Ending, epoch, epochs int) {
	text := fmt.Sprintf("The %s process has ended: %s", t.Noun, e.Status)
	if e.Stop == StopNone && e.Status.Success() && epoch > 0 && epoch < epochs {
		text += fmt.Sprintf(", after %d of %d epochs", epoch, epochs)
	}
	t.Events.Emit(contract.EventTrainingFinished, text, map[string]any{
		"exit_code": e.Status.ExitCode, "seconds": e.Ended.Sub(e.Started).Seconds(), "max_rss_bytes": e.Status.MaxRSS,
		"epochs": epoch, "epochs_asked": epochs})
}
