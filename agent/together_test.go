package agent

import (
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/contract"
)

// Node 0 alone validates at the end, for longer than it may take to report.
func TestAMachineThatIsDoneWaitsAsLongAsNode0MayTrain(t *testing.T) {
	cfg := &config.Config{}
	cfg.FlushTimeout, cfg.NodeTimeout = 10*time.Minute, time.Minute
	cfg.Job.Training = &contract.TrainingJob{MaxTrainingTime: time.Hour}
	if got := (&job{cfg: cfg}).verdictWait(); got < 71*time.Minute {
		t.Errorf("it waits %s", got)
	}
}
