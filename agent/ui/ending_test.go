package ui

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

// progressIn is a job that is told of in a log, at a level between info and warn.
func progressIn(log *bytes.Buffer) *Progress {
	now := func() time.Time { return time.Unix(1000, 0) }
	tracker := job.NewTracker(job.TrackerOptions{Now: now, Metric: "acc", Mode: contract.MetricMax})
	tracker.Observe(contract.Message{Kind: contract.KindHeartbeat, Body: []byte(`{"epoch":2,"total_epochs":2,"metrics":{"acc":0.5}}`)})
	handler := slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelInfo + 2})
	return &Progress{Log: slog.New(handler), Outcome: slog.LevelInfo + 2, Job: Job{ID: "job-1", Type: contract.JobTraining, Epochs: 2, Metric: "acc", Tracker: tracker, Now: now}}
}

func TestTheEndIsOneLineOfTheLog(t *testing.T) {
	checkpoint, oom := "s3://b/best.pt", contract.Failf(contract.CodeCUDAOOM, "Out of GPU memory.")
	for name, c := range map[string]struct {
		result contract.Result
		replay string
		says   []string
	}{
		"a success":          {contract.Result{Status: contract.StatusSucceeded, CheckpointPath: &checkpoint}, "", []string{"level=INFO", "the job succeeded", "best_epoch=2", "acc=0.5", "checkpoint_path=s3://b/best.pt"}},
		"a failure":          {contract.Result{Status: contract.StatusFailed, ExitCode: 1, Error: oom}, "", []string{"level=ERROR", "the job failed", "code=CUDA_OOM", "exit_code=1"}},
		"a stop":             {contract.Result{Status: contract.StatusFailed, ExitCode: contract.ExitStopped, Error: contract.Failf(contract.CodeStopped, "Told to stop.")}, "", []string{"the job was stopped", "exit_code=143"}},
		"a time":             {contract.Result{Status: contract.StatusSucceeded, Started: contract.At(time.Unix(10, 0)), Finished: contract.At(time.Unix(11, 570_400_000))}, "", []string{"seconds=1.57 "}},
		"nobody heard of it": {contract.Result{Status: contract.StatusSucceeded, ExitCode: contract.ExitUndelivered}, "replay it", []string{"level=ERROR", "the job succeeded, but done was not delivered", `deliver_with="replay it"`}},
		"nor of the failure": {contract.Result{Status: contract.StatusFailed, ExitCode: contract.ExitUndelivered, Error: oom}, "", []string{"the job failed, but done was not delivered", "code=CUDA_OOM"}},
	} {
		var log bytes.Buffer
		progressIn(&log).End(c.result, c.replay)
		for _, want := range c.says {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%s: %q is not in %s", name, want, log.String())
			}
		}
		if strings.Count(log.String(), "\n") != 1 {
			t.Errorf("%s: %s", name, log.String())
		}
	}
}

func TestTheEndOfPreparingIsOneLineOfTheLog(t *testing.T) {
	for want, r := range map[string]contract.Result{
		"the job is prepared": {Started: contract.At(time.Unix(990, 0))},
		"preparing failed":    {Error: contract.Failf(contract.CodeDatasetInvalid, "no annotations.")},
	} {
		var log bytes.Buffer
		progressIn(&log).EndPrepared(r, nil, "/ws")
		if !strings.Contains(log.String(), want) || r.Error == nil && !strings.Contains(log.String(), "seconds=10 workspace=/ws") {
			t.Errorf("%s: %s", want, log.String())
		}
	}
}

func TestOnATerminalTheEndIsACardWithoutSecrets(t *testing.T) {
	var log, terminal bytes.Buffer
	p := progressIn(&log)
	p.Screen = New(Options{Out: &terminal, Size: func() int { return 200 }})
	p.Mask = func(text string) string { return strings.ReplaceAll(text, "hush", "***") }
	p.End(contract.Result{Status: contract.StatusFailed, ExitCode: 1, Error: contract.Failf(contract.CodeTrainingFailed, "the token hush is refused")}, "")
	if log.Len() > 0 || !strings.Contains(terminal.String(), "the token *** is refused") {
		t.Errorf("log %q, terminal %q", log.String(), terminal.String())
	}
}
