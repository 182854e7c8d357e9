package agent

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints"
	"github.com/vision-platform/trainer-agent/agent/diagnose"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/telemetry"
	"github.com/vision-platform/trainer-agent/contract"
)

// outcome is how the part before finish ended.
type outcome struct {
	err      error // no child ran, or it could not be started
	stop     diagnose.Stop
	status   *process.Status // of the child; nil when none ran
	started  time.Time       // of the child
	ended    time.Time
	deadline time.Time // of the whole stop; zero when nobody is waiting
}

// finish brings everything that the job made to where it belongs, says truly
// how it ended, and returns the exit code. Each step has a part of the budget,
// so that done is sent even when the bucket hangs.
func (j *job) finish(o outcome) int {
	budget := j.budget(o)
	ctx, cancel := context.WithTimeout(context.Background(), budget)
	defer cancel()
	if o.deadline.IsZero() { // a stop may still come
		var release context.CancelFunc
		ctx, release = j.hurry(ctx, j.cfg.StopGrace-2*minTail)
		defer release()
	}

	j.tracer.Hold()
	failedIn := j.progress.view().phase
	j.endTogether(o)
	j.progress.enter(phaseUploading)
	uploads := j.finishUploads(ctx, o, budget*6/10)
	failure := j.judge(o, uploads)
	if failure == nil {
		failure, failedIn = uploads.Failure(), phaseUploading
	}
	j.together.ended(failure)
	j.progress.enter(phaseReporting)
	result := j.result(o, failure, uploads)
	j.uploadLog(ctx, budget/10, &result)
	if j.leads() {
		result.ExitCode = j.deliver(ctx, &result)
	} else {
		j.verdict(o, &result)
	}
	traced := j.endTrace(result, failedIn)
	j.keepResult(ctx, result)
	j.together.judged(result)
	traced()
	return result.ExitCode
}

// budget is AGENT_FLUSH_TIMEOUT, or what is left of the stop grace.
func (j *job) budget(o outcome) time.Duration {
	if o.deadline.IsZero() {
		return j.cfg.FlushTimeout
	}
	return max(minTail, o.deadline.Sub(j.Now())-minTail)
}

// hurry ends ctx a share of time after a request to stop: a job that is done
// training may be told to stop like any other.
func (j *job) hurry(parent context.Context, share time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	release := context.AfterFunc(j.Supervisor.Stopping(), func() {
		timer := time.NewTimer(max(share, minTail))
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() { release(); cancel() }
}

// minTail is what even the latest stop leaves for the last words.
const minTail = 3 * time.Second

func (j *job) finishUploads(ctx context.Context, o outcome, limit time.Duration) checkpoints.Summary {
	watcher := j.watcher.Load()
	if watcher == nil {
		return checkpoints.Summary{}
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if o.deadline.IsZero() {
		var release context.CancelFunc
		ctx, release = j.hurry(ctx, j.cfg.StopGrace*4/10)
		defer release()
	}
	// A script that was asked to stop and left by itself has written what it wanted to.
	stopped := o.stop != diagnose.StopNone && o.status != nil && o.status.Signal == 0
	clean := o.stop == diagnose.StopNone && o.status != nil && o.status.Success()
	return watcher.Finish(ctx, checkpoints.FinishOptions{Clean: clean || stopped, Ended: o.ended})
}

// judge finds the one cause of the end, apart from what uploading came to: a job
// whose checkpoint did not reach the bucket has not succeeded, whatever its exit
// status says.
func (j *job) judge(o outcome, uploads checkpoints.Summary) *contract.Failure {
	evidence := j.evidence(o, uploads)
	for _, w := range append(diagnose.Warnings(evidence), uploads.Warnings...) {
		j.warn(w)
	}
	return diagnose.Diagnose(evidence)
}

// uploadLog puts training.log into the bucket.
func (j *job) uploadLog(ctx context.Context, limit time.Duration, r *contract.Result) {
	if j.training == nil || j.store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, max(limit, time.Second))
	defer cancel()
	if err := j.training.Close(); err != nil {
		j.warn(err.Error())
	}
	f, err := os.Open(j.training.Path())
	if err != nil {
		j.warn(err.Error())
		return
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return // no child, no output
	}
	key := contract.NodeLogKey(j.cfg.JobID, j.rank())
	if _, err := j.store.Put(ctx, key, f, info.Size(), nil); err != nil {
		r.NotUploaded = append(r.NotUploaded, contract.ManifestFailed{Name: key, Reason: err.Error()})
		j.log.Error("training.log could not be uploaded", "error", err)
		return
	}
	r.Artifacts = append(r.Artifacts, contract.Artifact{Name: path.Base(key), Path: j.store.URI(key), SizeBytes: info.Size()})
}

// deliver sends the final callback behind everything else.
func (j *job) deliver(ctx context.Context, r *contract.Result) int {
	exit := contract.ExitOK
	if r.Error != nil {
		exit = r.Error.ExitCode()
	}
	if j.outbox == nil {
		return exit
	}
	r.ExitCode = exit
	kind, payload := j.final(r)
	message, err := contract.NewMessage(kind, payload, j.Now())
	if err == nil {
		err = j.outbox.AppendFinal(message)
	}
	if err != nil {
		j.log.Error("the final callback could not be kept", "error", err)
	}
	return j.flush(ctx, r, exit)
}

// flush waits until the backend has everything. What it cannot have goes to the
// bucket, and the exit code says so, unless it asks for a retry of the job
// anyway: that sends its own done.
func (j *job) flush(ctx context.Context, r *contract.Result, exit int) int {
	err := j.outbox.Flush(ctx)
	j.beating.stop()
	j.sender.stop()
	pending := j.outbox.Pending()
	r.NotDelivered, r.Rejected = pending.Depth, pending.Rejected
	final, stored := j.outbox.Final()
	if err == nil && stored && final.Delivered && !final.Rejected {
		return exit
	}
	j.log.Error("the final callback could not be delivered", "error", err, "left", pending.Depth, "refused", final.Rejected)
	j.keepUndelivered()
	if exit == contract.ExitOK || exit == contract.ExitFailed {
		return contract.ExitUndelivered
	}
	return exit
}

// keepUndelivered puts the outbox where an operator finds it.
func (j *job) keepUndelivered() {
	if j.store == nil {
		return
	}
	var lines bytes.Buffer
	if _, err := j.outbox.Export(&lines); err != nil {
		j.log.Error("the outbox could not be exported", "error", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), minTail)
	defer cancel()
	key := contract.UndeliveredKey(j.cfg.JobID)
	if _, err := j.store.Put(ctx, key, bytes.NewReader(lines.Bytes()), int64(lines.Len()), nil); err != nil {
		j.log.Error("the undelivered callbacks stay in the workspace", "folder", j.ws.outbox(), "error", err)
		return
	}
	j.log.Error("the undelivered callbacks are in the bucket", "key", key,
		"deliver_with", "trainer-agent replay --from "+j.store.URI(key))
}

// keepResult writes result.json to the workspace and the bucket, and the last
// words for Kubernetes. Nothing after this changes the outcome. The mark of the
// run goes last of all: a success that is killed before is not trained again.
func (j *job) keepResult(ctx context.Context, r contract.Result) {
	r.Finished = contract.At(j.Now())
	r.PhaseSeconds = j.progress.view().seconds
	r.Warnings = j.warnings
	body, err := telemetry.WriteResult(j.ws.result(), r)
	if j.Termination != "" {
		err = errors.Join(err, telemetry.WriteTermination(j.Termination, r))
	}
	if j.store != nil && j.leads() { // after the disk, because a network may take its time
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), minTail)
		defer cancel()
		_, putErr := j.store.Put(ctx, contract.ResultKey(r.JobID), bytes.NewReader(body), int64(len(body)), nil)
		err = errors.Join(err, putErr)
	}
	if j.life != nil {
		err = errors.Join(err, j.life.end())
	}
	if err != nil {
		j.log.Warn("the result could not be kept everywhere", "error", err)
	}
	j.tell(r)
}
