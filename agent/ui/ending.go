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
	seconds := r.Finished.Sub(r.Started.Time).Round(time.Millisecond).Seconds()
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
		p.Log.Error("the job failed", "code", r.Error.Code, "reason", r.Error.Line(), "exit_code", r.ExitCode, "seconds", seconds)
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

// EndPrepared tells how preparing ended, and where it left what it made.
func (p *Progress) EndPrepared(r contract.Result, dataset *converters.Prepared, workspace string) {
	switch {
	case p.Screen != nil:
		p.Screen.End(p.Job.PreparedCard(r, dataset).Masked(p.Mask))
	case r.Error != nil:
		p.Log.Error("preparing failed", "code", r.Error.Code, "reason", r.Error.Line(), "exit_code", r.ExitCode)
	default:
		p.Log.Log(context.Background(), p.Outcome, "the job is prepared", "seconds", p.Job.Now().Sub(r.Started.Time).Seconds(), "workspace", workspace)
	}
}
