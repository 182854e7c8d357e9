package agent

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks"
	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox"
	"github.com/vision-platform/trainer-agent/agent/checkpoints"
	"github.com/vision-platform/trainer-agent/agent/cluster"
	"github.com/vision-platform/trainer-agent/agent/diagnose"
	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/agent/telemetry"
	"github.com/vision-platform/trainer-agent/agent/ui"
	"github.com/vision-platform/trainer-agent/contract"
)

// finish brings everything that the job made to where it belongs, says truly how it
// ended, and finds the exit code. Each step has a part of the budget and none can be
// outwaited, so that done is sent even when the bucket hangs.
type finish struct {
	base
	id       identity
	lock     *workspaceLock
	marker   *runMarker
	queue    *callbacks.Queue
	uploads  *checkpoints.Uploading
	tracing  *tracing
	progress *ui.Progress
	look     func() scene // what the watchers saw
}

// run carries an Outcome to the exit code.
func (f *finish) run(o Outcome) int {
	budget := flushBudget(o, f.cfg.FlushTimeout, f.o.Now())
	ctx, cancel := context.WithTimeout(context.Background(), budget)
	defer cancel()
	if o.Deadline.IsZero() { // a stop may still come
		var release context.CancelFunc
		ctx, release = hurried(ctx, f.o.Supervisor.Stopping(), f.cfg.StopGrace-2*minTail)
		defer release()
	}
	_ = f.queue.Deliver(context.Background())
	f.tracing.tracer.Hold()
	failedIn := f.tracker.View().Phase.Name
	if !o.clean() {
		f.group.StopOthers()
	}

	f.tracker.Enter(job.PhaseUploading)
	uploads, looked := f.finishUploads(ctx, o, budget*6/10)
	evidence := f.evidence(o, uploads, looked)
	failure, uploading := f.judge(evidence, uploads)
	if uploading {
		failedIn = job.PhaseUploading
	}
	f.warn(append(diagnose.Warnings(evidence), uploads.Warnings...)...)
	f.warn(endedEarly(f.cfg, evidence, failure)...)
	f.group.Ended(failure)

	f.tracker.Enter(job.PhaseReporting)
	said := f.queue.LastSaid(f.tracker)
	view := f.tracker.View()
	metrics := callbacks.FinalMetrics(view.Last, f.tracker.Metrics(uploads.BestEpoch), uploads.BestEpoch, said)
	result := resultOf(f.id, o, failure, uploads, metrics)
	f.uploadLog(ctx, budget/10, &result)
	replay := ""
	if f.group.Leads() {
		replay = f.deliver(ctx, &result, said)
	} else {
		f.settle(o, &result)
	}
	traced := f.tracing.end(result, failedIn)
	f.keep(ctx, &result, replay)
	f.group.End(cluster.Verdict{Exit: result.ExitCode, Failure: result.Error})
	traced()
	return result.ExitCode
}

func (f *finish) warn(texts ...string) {
	for _, text := range texts {
		f.events.Warn(text)
	}
}

func (f *finish) finishUploads(ctx context.Context, o Outcome, limit time.Duration) (s checkpoints.Summary, looked bool) {
	if o.Deadline.IsZero() {
		var release context.CancelFunc
		ctx, release = hurried(ctx, f.o.Supervisor.Stopping(), f.cfg.StopGrace*4/10)
		defer release()
	}
	found := make(chan checkpoints.Summary, 1) // what comes too late is not written to
	err := stage.Bound(ctx, limit, "uploading the last checkpoints", func(ctx context.Context) error {
		summary, watched := f.uploads.Finish(ctx, checkpoints.FinishOptions{Clean: o.whole(), Ended: o.Ended})
		if watched {
			found <- summary
		}
		return nil
	})
	if err != nil {
		f.events.Warn("Uploading the last checkpoints: " + err.Error() + ".")
	}
	select {
	case s = <-found:
		return s, true
	default:
		return s, false
	}
}

// lastWord is how long node 0 waits to know how the other machines ended: a
// connection of the training breaks before the agent behind it has said why, and a
// success is none when another machine has failed.
const lastWord = 5 * time.Second

// evidence is everything that is known of the end.
func (f *finish) evidence(o Outcome, uploads checkpoints.Summary, looked bool) diagnose.Evidence {
	s := f.look()
	s.uploads, s.looked = uploads, looked
	patience := time.Duration(0)
	if o.Stop == diagnose.StopNone || o.Stop == diagnose.StopNode {
		patience = lastWord
	}
	s.nodes = f.group.Evidence(patience)
	return evidenceOf(f.cfg, o, s)
}

// judge finds the one cause. A bug in finding it is the cause then.
func (f *finish) judge(e diagnose.Evidence, uploads checkpoints.Summary) (failure *contract.Failure, uploading bool) {
	err := stage.Guard(context.Background(), "the diagnosis", func(context.Context) error {
		failure, uploading = failureOf(e, uploads.Failure())
		return nil
	})
	if err != nil {
		return contract.AsFailure(err), false
	}
	return failure, uploading
}

// uploadLog puts training.log into the bucket.
func (f *finish) uploadLog(ctx context.Context, limit time.Duration, r *contract.Result) {
	if f.lock.training == nil || f.store.store == nil {
		return
	}
	key := contract.NodeLogKey(f.cfg.JobID, f.group.Rank())
	sizes := make(chan int64, 1)
	err := stage.Bound(ctx, max(limit, time.Second), "uploading the log", func(ctx context.Context) error {
		size, err := putLog(ctx, f.store.store, key, f.lock.training)
		sizes <- size
		return err
	})
	if err != nil {
		r.NotUploaded = append(r.NotUploaded, contract.ManifestFailed{Name: key, Reason: err.Error()})
		f.o.Log.Error("training.log could not be uploaded", "error", err)
		return
	}
	if size := <-sizes; size > 0 {
		r.Artifacts = append(r.Artifacts, contract.Artifact{Name: path.Base(key), Path: f.store.store.URI(key), SizeBytes: size})
	}
}

// putLog returns the log's size, 0 when there was no child or no output.
func putLog(ctx context.Context, store storage.Store, key string, log *telemetry.TrainingLog) (int64, error) {
	if err := log.Close(); err != nil {
		return 0, err
	}
	file, err := os.Open(log.Path())
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return 0, err
	}
	_, err = store.Put(ctx, key, file, info.Size(), nil)
	return info.Size(), err
}

// deliver sends the final callback behind everything else. When that cannot be done it
// returns how a person does it.
func (f *finish) deliver(ctx context.Context, r *contract.Result, said *contract.Message) (replay string) {
	if f.queue.Mute {
		return ""
	}
	kind := f.queue.Final
	out := callbacks.Place{Prefix: contract.OutputPrefix(f.cfg.Job), URI: func(key string) string { return f.store.store.URI(key) }}
	message, err := contract.NewMessage(kind, callbacks.Final(kind, said, r, contract.At(f.o.Now()), out), f.o.Now())
	if f.queue.Box == nil { // no disk takes it
		if err := errors.Join(err, outbox.Direct(ctx, message, f.queue.Options)); err != nil {
			f.o.Log.Error("the final callback could not be delivered", "error", err)
			r.ExitCode, r.NotDelivered = exitCode(r.Error, false), 1
		}
		return ""
	}
	if err == nil {
		err = f.queue.Box.AppendFinal(message)
	}
	if err != nil {
		f.o.Log.Error("the final callback could not be kept", "error", err)
	}
	return f.flush(ctx, r)
}

// flush waits until the backend has everything. What it cannot have goes to the
// bucket, and the exit code says so.
func (f *finish) flush(ctx context.Context, r *contract.Result) (replay string) {
	box := f.queue.Box
	err := box.Flush(ctx)
	if stopped := stage.Bound(context.Background(), stopWithin, "sending", f.queue.StopSending); stopped != nil {
		f.events.Warn(stopped.Error())
	}
	pending := box.Pending()
	r.NotDelivered, r.Rejected = pending.Depth, pending.Rejected
	final, stored := box.Final()
	if stored && final.Delivered {
		if pending.Depth > 0 {
			f.o.Log.Error("callbacks that waited before the final one could not be delivered", "error", err, "left", pending.Depth)
			return f.keepUndelivered()
		}
		return ""
	}
	f.o.Log.Error("the final callback could not be delivered", "error", err, "left", pending.Depth, "refused", final.Rejected)
	r.ExitCode = exitCode(r.Error, false)
	return f.keepUndelivered()
}

// keepUndelivered puts the outbox where an operator finds it, and returns the command
// that delivers it.
func (f *finish) keepUndelivered() (replay string) {
	if f.store.store == nil {
		return ""
	}
	var lines bytes.Buffer
	if _, err := f.queue.Box.Export(&lines); err != nil {
		f.o.Log.Error("the outbox could not be exported", "error", err)
	}
	key := contract.UndeliveredKey(f.cfg.JobID)
	if err := f.put(context.Background(), key, lines.Bytes()); err != nil {
		f.o.Log.Error("the undelivered callbacks stay in the workspace", "folder", f.queue.Dir, "error", err)
		return ""
	}
	replay = "trainer-agent replay --from " + f.store.store.URI(key)
	f.o.Log.Error("the undelivered callbacks are in the bucket", "key", key, "deliver_with", replay)
	return replay
}

// put writes a small object within minTail.
func (f *finish) put(ctx context.Context, key string, body []byte) error {
	return stage.Bound(context.WithoutCancel(ctx), minTail, "writing "+key, func(ctx context.Context) error {
		_, err := f.store.store.Put(ctx, key, bytes.NewReader(body), int64(len(body)), nil)
		return err
	})
}

// settle is how a machine that does not lead ends: as the leader says, once it is
// known how the job ended. One that was asked to stop waits for nobody.
//
// Node 0 may take long: its own child may go on alone, with the last validation, for
// as long as a training may; then it uploads and reports. That it lives is known by
// its link.
func (f *finish) settle(o Outcome, r *contract.Result) {
	if o.Stop == diagnose.StopTold {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), verdictWait(f.cfg))
	defer cancel()
	ctx, release := f.o.Supervisor.WithStop(ctx)
	defer release()
	v := f.group.Verdict(ctx)
	settled, warning := cluster.Settle(*r, v, f.o.Supervisor.Stopping().Err() != nil)
	if *r = settled; warning != "" {
		f.events.Warn(warning)
	}
}

// keep writes result.json to the workspace and the bucket, and the termination
// message for Kubernetes. Nothing after this changes how the job ended. The run
// marker goes last of all: a success that is killed before is not trained again.
func (f *finish) keep(ctx context.Context, r *contract.Result, replay string) {
	r.Finished = contract.At(f.o.Now())
	r.PhaseSeconds = f.tracker.View().Phase.Seconds
	r.Warnings = f.events.Warnings()
	body, err := telemetry.WriteResult(f.ws.ResultFile(), *r)
	if f.o.Termination != "" {
		err = errors.Join(err, telemetry.WriteTermination(f.o.Termination, *r))
	}
	if f.store.store != nil && f.group.Leads() { // after the disk, because a network may take its time
		err = errors.Join(err, f.put(ctx, contract.ResultKey(r.JobID), body))
	}
	if f.marker.marker != nil {
		err = errors.Join(err, f.marker.marker.Remove())
	}
	if err != nil {
		f.o.Log.Warn("the result could not be kept everywhere", "error", err)
	}
	f.show(*r, replay)
}

// again delivers what an earlier run left, and tells the job's other machines, which
// lost that run before they knew how the job ended. The end of ctx ends it at once, a
// request to stop within the stop grace, as it does the end of any job.
func (f *finish) again(ctx context.Context) int {
	f.o.Log.Info("the job succeeded in an earlier run; delivering what was left")
	r := contract.Result{JobID: f.id.job, TraceID: f.id.trace, Status: contract.StatusSucceeded, Started: contract.At(f.id.started)}
	ctx, cancel := context.WithTimeout(ctx, f.cfg.FlushTimeout)
	defer cancel()
	ctx, release := hurried(ctx, f.o.Supervisor.Stopping(), f.cfg.StopGrace-2*minTail)
	defer release()
	_ = f.queue.Deliver(context.Background())
	if err := f.store.Start(ctx); err != nil {
		f.events.Warn(err.Error())
	}
	replay := f.flush(ctx, &r)
	traced := f.tracing.end(r, job.PhaseReporting)
	f.keep(ctx, &r, replay)
	traced()
	if err := f.group.Announce(ctx, cluster.Verdict{Exit: r.ExitCode, Failure: r.Error}); err != nil {
		f.events.Warn(err.Error())
	}
	return r.ExitCode
}
