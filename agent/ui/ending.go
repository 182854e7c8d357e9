package ui

import (
	"context"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
)

// End tells how the job ended: a card for a person, or one line of the log. replay is
// the command that delivers what could not be delivered.
func (p *Progress) End(r contract.Result, replay string) {
	_ = p.Stop(context.Background())
	if p.Screen != nil {
		p.Screen.End(p.Job.Card(r, replay).Masked(p.Mask))
		return
	}
	seconds := rounded(r.Finished.Sub(r.Started.Time))
	if r.ExitCode == contract.ExitUndelivered {
		args := []any{"exit_code", r.ExitCode, "seconds", seconds}
		if r.Error != nil {
			args = append(args, "code", r.Error.Code, "reason", r.Error.Line())
		}
		if replay != "" {
			args = append(args, "deliver_with", replay)
		}
		p.Log.Error("the job "+string(r.Status)+", but done was not delivered: the backend does not know", args...)
		return
	}
	if r.Error != nil {
		p.Log.Error(ended(r.Error.Code), "code", r.Error.Code, "reason", r.Error.Line(), "exit_code", r.ExitCode, "seconds", seconds)
		return
	}
	args := []any{"exit_code", r.ExitCode, "seconds", seconds}
	if best, ok := p.Job.Tracker.Best(); ok {
		args = append(args, p.Job.Metric, best.Value, "best_epoch", best.Epoch)
	}
	if r.CheckpointPath != nil {
		args = append(args, "checkpoint_path", *r.CheckpointPath)
	}
	p.Log.Log(context.Background(), p.Outcome, "the job succeeded", args...)
}

// ended says how: a job that was stopped has not failed.
func ended(code contract.Code) string {
	if code == contract.CodeStopped {
		return "the job was stopped"
	}
	return "the job failed"
}

// rounded is in seconds with three decimals at most, as people read them.
func rounded(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// EndPrepared tells how preparing ended, and where it left what it made.
func (p *Progress) EndPrepared(r contract.Result, dataset *converters.Prepared, workspace string) {
	switch {
	case p.Screen != nil:
		p.Screen.End(p.Job.PreparedCard(r, dataset).Masked(p.Mask))
	case r.Error != nil:
		p.Log.Error("preparing failed", "code", r.Error.Code, "reason", r.Error.Line(), "exit_code", r.ExitCode)
	default:
		p.Log.Log(context.Background(), p.Outcome, "the job is prepared", "seconds", rounded(p.Job.Now().Sub(r.Started.Time)), "workspace", workspace)
	}
}
