package config

import (
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestEveryJobHasATimeLimit(t *testing.T) {
	cfg := &Config{Environment: Environment{MaxTrainingSeconds: 60}}
	if got := cfg.TimeLimit(); got != time.Minute {
		t.Errorf("an inference may take %s", got)
	}
	cfg.Job.Training = &contract.TrainingJob{MaxTrainingTime: time.Hour}
	if got := cfg.TimeLimit(); got != time.Hour {
		t.Errorf("a training may take %s", got)
	}
}
