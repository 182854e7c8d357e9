package agent

import (
	"context"
	"errors"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints"
	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/internal/redact"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/telemetry"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

// show tells how the job ended: a card for a person, or one line of the log.
func (f *finish) show(r contract.Result, replay string) {
	_ = f.progress.Stop(context.Background())
	if f.o.Screen != nil {
		f.o.Screen.End(f.progress.Job.Card(r, replay).Masked(f.mask))
		return
	}
	seconds := r.Finished.Sub(r.Started.Time).Round(time.Millisecond).Seconds()
	if r.ExitCode == contract.ExitUndelivered {
		args := []any{"exit_code", r.ExitCode, "seconds", seconds}
		if r.Error != nil {
			args = append(args, "code", r.Error.Code, "reason", r.Error.Line())
		}
		if replay != "" {
			args = append(args, "deliver_with", replay)
		}
		f.o.Log.Error("the job "+string(r.Status)+", but done was not delivered: the backend does not know", args...)
		return
	}
	if r.Error != nil {
		f.o.Log.Error("the job failed", "code", r.Error.Code, "reason", r.Error.Line(), "exit_code", r.ExitCode, "seconds", seconds)
		return
	}
	args := []any{"exit_code", r.ExitCode, "seconds", seconds}
	if best, ok := f.tracker.Best(); ok {
		args = append(args, f.cfg.PrimaryMetric, best.Value, "best_epoch", best.Epoch)
	}
	if r.CheckpointPath != nil {
		args = append(args, "checkpoint_path", *r.CheckpointPath)
	}
	f.o.Log.Log(context.Background(), telemetry.LevelOutcome, "the job succeeded", args...)
}

func (f *finish) mask(text string) string { return redact.New(f.cfg.Secrets()).String(text) }

// prepared says how preparing ended, and returns the exit code.
func (f *finish) prepared(err error, dataset *converters.Prepared) int {
	traced := f.tracing.end(resultOf(f.id, Outcome{Err: err}, contract.AsFailure(err), checkpoints.Summary{}, nil), f.tracker.View().Phase.Name)
	traced()
	_ = f.progress.Stop(context.Background())
	if request, asked := errors.AsType[process.Request](context.Cause(f.o.Supervisor.Stopping())); asked && err != nil {
		err = contract.Failf(contract.CodeStopped, "%w.", request)
	}
	f.tracker.Enter(job.PhaseReporting)
	r := resultOf(f.id, Outcome{}, contract.AsFailure(err), checkpoints.Summary{}, nil)
	r.Finished, r.PhaseSeconds = contract.At(f.o.Now()), f.tracker.View().Phase.Seconds
	switch {
	case f.o.Screen != nil:
		f.o.Screen.End(f.progress.Job.PreparedCard(r, dataset).Masked(f.mask))
	case r.Error != nil:
		f.o.Log.Error("preparing failed", "code", r.Error.Code, "reason", r.Error.Line(), "exit_code", r.ExitCode)
	default:
		f.o.Log.Log(context.Background(), telemetry.LevelOutcome, "the job is prepared", "seconds", f.o.Now().Sub(f.id.started).Seconds(), "workspace", f.ws.Root)
	}
	return r.ExitCode
}

// verdictWait is how long node 0 may take to say how the job ended.
func verdictWait(cfg *config.Config) time.Duration {
	return timeLimit(cfg) + cfg.FlushTimeout + cfg.NodeTimeout
}
