package agent

import (
	"context"
	"encoding/json"

	"github.com/vision-platform/trainer-agent/contract"
)

// succeededBefore reports whether an earlier life in this workspace ended the
// job well and was killed before it could tell the backend, or just after: the
// training is not done twice for that. An earlier failure, or a success whose
// run ended with its own words, is no reason not to run again: its final message
// gives way to this run's.
func (j *job) succeededBefore() bool {
	if j.outbox == nil {
		return false
	}
	final, stored := j.outbox.Final()
	if !stored {
		return false
	}
	var said struct {
		Status contract.Status `json:"status"`
	}
	if json.Unmarshal(final.Message.Body, &said) == nil && said.Status == contract.StatusSucceeded && (!final.Delivered || j.previous != nil) {
		return true
	}
	if err := j.outbox.Reopen(); err != nil {
		j.warn("The outbox of the earlier run could not be reopened: " + err.Error())
	}
	return false
}

// deliverAgain sends what the earlier life left, and tells the job's other machines,
// which lost that life before they knew how the job ended. The end of ctx ends it
// at once, a request to stop within the stop grace, as it does the end of any job.
func (j *job) deliverAgain(ctx context.Context) int {
	j.log.Info("the job succeeded in an earlier run; delivering what was left")
	r := contract.Result{JobID: j.cfg.JobID, TraceID: j.cfg.TraceID, Status: contract.StatusSucceeded, Started: contract.At(j.started)}
	ctx, cancel := context.WithTimeout(ctx, j.cfg.FlushTimeout)
	defer cancel()
	ctx, release := j.hurry(ctx, j.cfg.StopGrace-2*minTail)
	defer release()
	if err := j.openStore(ctx); err != nil {
		j.warn(err.Error())
	}
	r.ExitCode = j.flush(ctx, &r, contract.ExitOK)
	traced := j.endTrace(r, phaseReporting)
	j.keepResult(ctx, r)
	traced()
	if err := j.announce(ctx, r); err != nil {
		j.warn(err.Error())
	}
	return r.ExitCode
}
