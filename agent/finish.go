package agent

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks"
	"github.com/vision-platform/trainer-agent/agent/checkpoints"
	"github.com/vision-platform/trainer-agent/agent/cluster"
	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/diagnose"
	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/telemetry"
	"github.com/vision-platform/trainer-agent/agent/telemetry/trace"
	"github.com/vision-platform/trainer-agent/agent/telemetry/trackers"
	"github.com/vision-platform/trainer-agent/agent/ui"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// finish brings everything that the job made to where it belongs, says truly how it
// ended, and finds the exit code. Each step has a part of the budget and none can be
// outwaited, so that done is sent even when the bucket hangs.
type finish struct {
	base
	id          identity
	termination *telemetry.Termination
	claim       *job.Claim
	log         *telemetry.Recording
	marker      *job.Marking
	remembered  *job.Remembering
	queue       *callbacks.Queue
	uploads     *checkpoints.Uploading
	metrics     *trackers.Tracking
	tracing     *trace.Tracing
	progress    *ui.Progress
	look        func() scene // what the watchers saw
}

// An ending is a job's end as it is told.
type ending struct {
	result   contract.Result
	said     *contract.Message // by the trainer
	failedIn string            // phase
}

// run carries an Outcome to the exit code. A bug of ours in finding out how the job
// ended is told as its end; one in telling it leaves the exit code to say so.
func (f *finish) run(o Outcome) int {
	o.Err = cmp.Or(stage.Fault(), o.Err)
	budget := stage.Budget(o.Deadline, f.cfg.FlushTimeout, f.o.Now())
	ctx, cancel := context.WithTimeout(context.Background(), budget)
	defer cancel()
	share := f.cfg.StopGrace - 2*stage.MinTail
	ctx, release := stage.Hurried(ctx, f.stopping(o), share)
	defer release()
	ahead, late := stage.Ahead(ctx, f.stopping(o), budget, share) // the rest is the final callback's
	defer late()
	e := ending{failedIn: f.tracker.View().Phase.Name}
	err := stage.Guard(ahead, "the end of the job", func(ctx context.Context) error { f.find(ctx, o, budget, &e); return nil })
	if err != nil {
		e.result = resultOf(f.id, o, f.secrets.Failure(contract.AsFailure(err)), checkpoints.Summary{}, nil)
	}
	if err := stage.Guard(ctx, "telling how the job ended", func(ctx context.Context) error { f.tell(ctx, o, &e); return nil }); err != nil {
		f.o.Log.Error("how the job ended could not be told everywhere", "error", err)
		if !f.told() {
			e.result.ExitCode = contract.ExitCode(e.result.Error, false)
		}
	}
	return e.result.ExitCode
}

// told reports whether the backend has the final callback, or there is nobody to tell.
func (f *finish) told() bool {
	if f.queue.Box == nil {
		return f.queue.Mute
	}
	final, stored := f.queue.Box.Final()
	return stored && final.Delivered
}

// find brings in what the job made, and finds how it ended.
func (f *finish) find(ctx context.Context, o Outcome, budget time.Duration, e *ending) {
	_ = f.queue.Deliver(context.Background())
	f.tracing.Tracer.Hold()
	if !o.clean() {
		f.group.StopOthers()
	}
	f.tracker.Enter(job.PhaseUploading)
	uploads := f.finishUploads(ctx, o, budget*6/10)
	e.said = f.queue.LastSaid(f.tracker)
	f.takeStored(ctx, &uploads, e.said)
	evidence := f.evidence(o, uploads)
	failure, uploading := f.judge(evidence, uploads, o.Stop == diagnose.StopRequested || f.stopping(o).Err() != nil)
	if uploading {
		e.failedIn = job.PhaseUploading
	}
	f.warn(append(diagnose.Warnings(evidence), uploads.Warnings...)...)
	f.warn(diagnose.EndedEarly(evidence, failure, f.cfg.Epochs)...)
	f.group.Ended(failure)

	f.tracker.Enter(job.PhaseReporting)
	view := f.tracker.View()
	metrics := callbacks.FinalMetrics(view.Last, f.tracker.Metrics(uploads.BestEpoch), uploads.BestEpoch, e.said)
	e.result = resultOf(f.id, o, failure, uploads, metrics)
	f.uploadLog(ctx, budget/10, &e.result)
	f.uploadEvents(ctx, budget/10)
}

// tell says to everybody how the job ended.
func (f *finish) tell(ctx context.Context, o Outcome, e *ending) {
	result, replay := &e.result, ""
	if f.group.Leads() {
		replay = f.deliver(ctx, result, e.said)
	} else {
		f.settle(o, result)
	}
	traced, tracked := f.tracing.End(*result, e.failedIn), f.metrics.End(*result)
	f.keep(ctx, result, replay)
	f.group.End(cluster.Verdict{Exit: result.ExitCode, Failure: result.Error})
	traced()
	tracked()
}

// stopping ends with a request to stop that may still come. One that came already is in
// the budget.
func (f *finish) stopping(o Outcome) context.Context {
	if !o.Deadline.IsZero() {
		return context.Background()
	}
	return f.o.Supervisor.Stopping()
}

func (f *finish) warn(texts ...string) {
	for _, text := range texts {
		f.events.Warn(text)
	}
}

func (f *finish) finishUploads(ctx context.Context, o Outcome, limit time.Duration) checkpoints.Summary {
	ctx, release := stage.Hurried(ctx, f.stopping(o), f.cfg.StopGrace*4/10)
	defer release()
	return f.uploads.FinishWithin(ctx, limit, checkpoints.FinishOptions{Clean: o.whole(), Ended: o.Ended})
}

// takeStored counts a checkpoint that the training put into the bucket itself.
func (f *finish) takeStored(ctx context.Context, uploads *checkpoints.Summary, said *contract.Message) {
	if f.store.Store == nil {
		return
	}
	uri := callbacks.StoredCheckpoint(said)
	open := func(ctx context.Context, bucket string) (checkpoints.Statter, error) {
		return f.store.Open(ctx, bucket)
	}
	if err := uploads.TakeStored(ctx, uri, open); err != nil {
		f.o.Log.Warn("the training named a checkpoint that is not in the bucket", "checkpoint_path", uri, "error", err)
	}
}

// lastWord is how long node 0 waits to know how the other machines ended: a
// connection of the training breaks before the agent behind it has said why, and a
// success is none when another machine has failed.
const lastWord = 5 * time.Second

// evidence is everything that is known of the end.
func (f *finish) evidence(o Outcome, uploads checkpoints.Summary) diagnose.Evidence {
	o.Err = cmp.Or(stage.Fault(), o.Err)
	s := f.look()
	s.uploads = uploads
	patience := time.Duration(0)
	if o.Stop == diagnose.StopNone || o.Stop == diagnose.StopNode {
		patience = lastWord
	}
	s.nodes = f.group.Evidence(patience)
	return evidenceOf(f.cfg, o, s)
}

// judge finds the one cause; stopped: the job was asked to stop, perhaps when its child had ended. A
// bug in finding it is the cause then.
func (f *finish) judge(e diagnose.Evidence, uploads checkpoints.Summary, stopped bool) (failure *contract.Failure, uploading bool) {
	err := stage.Guard(context.Background(), "the diagnosis", func(context.Context) error {
		failure, uploading = diagnose.Cause(e, uploads.Failure())
		if uploading && stopped && errors.Is(failure, checkpoints.ErrHalted) {
			failure = diagnose.StoppedLate(e)
		}
		return nil
	})
	if err != nil {
		failure, uploading = contract.AsFailure(err), false
	}
	return f.secrets.Failure(failure), uploading
}

// uploadLog puts training.log into the bucket.
func (f *finish) uploadLog(ctx context.Context, limit time.Duration, r *contract.Result) {
	if f.store.Store == nil {
		return
	}
	key := contract.NodeLogKey(f.cfg.JobID, f.group.Rank())
	artifact, err := f.log.Upload(ctx, limit, f.store.Store, key)
	if err != nil {
		r.NotUploaded = append(r.NotUploaded, contract.ManifestFailed{Name: key, Reason: err.Error()})
		f.o.Log.Error("training.log could not be uploaded", "error", err)
	} else if artifact != nil {
		r.Artifacts = append(r.Artifacts, *artifact)
	}
}

// uploadEvents puts TensorBoard's event file into the bucket; the backend has its metrics.
func (f *finish) uploadEvents(ctx context.Context, limit time.Duration) {
	if f.store.Store == nil {
		return
	}
	key := func(name string) string { return contract.EventFileKey(f.cfg.JobID, name) }
	if err := f.metrics.Upload(ctx, limit, f.store.Store, key); err != nil {
		f.events.Warn("The event file of TensorBoard could not be uploaded: " + err.Error())
	}
}

// deliver sends the final callback behind everything else. When that cannot be done it
// returns how a person does it.
func (f *finish) deliver(ctx context.Context, r *contract.Result, said *contract.Message) (replay string) {
	if f.queue.Mute {
		return ""
	}
	out := callbacks.Place{Prefix: contract.OutputPrefix(f.cfg.Job), URI: func(key string) string { return f.store.Store.URI(key) }}
	return f.ending().Deliver(ctx, callbacks.Final(f.queue.Final, said, r, contract.At(f.o.Now()), out)).Onto(r)
}

// ending keeps in the bucket what the backend cannot have.
func (f *finish) ending() callbacks.Ending {
	e := callbacks.Ending{Queue: f.queue, Warn: f.events.Warn}
	if f.store.Store != nil {
		e.Keep = func(key string, body []byte) (string, error) { return f.store.Keep(context.Background(), key, body) }
	}
	return e
}

// settle is how a machine that does not lead ends: as the leader says, once it is
// known how the job ended. One that was asked to stop waits for nobody.
//
// Node 0 may take long: its own child may go on alone, with the last validation, for
// as long as a training may; then it uploads and reports. That it lives is known by
// its link.
func (f *finish) settle(o Outcome, r *contract.Result) {
	if o.Stop == diagnose.StopRequested {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), config.VerdictWait(f.cfg))
	defer cancel()
	settled, warning := f.group.Settle(ctx, *r, f.o.Supervisor.Stopping())
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
	body, err := telemetry.WriteResult(f.ws.Private().ResultFile(), *r, f.secrets)
	err = errors.Join(err, f.termination.Final(*r))
	if f.store.Store != nil { // after the disk, because a network may take its time
		err = errors.Join(err, f.stored(ctx, r.JobID, body))
	}
	err = errors.Join(err, f.marker.Remove())
	if err != nil {
		f.o.Log.Warn("the result could not be kept everywhere", "error", err)
	}
	f.progress.End(*r, replay)
}

// stored puts the result into the bucket and takes the run marker out of it, both at
// once: what is left of the grace may be short.
func (f *finish) stored(ctx context.Context, jobID string, result []byte) error {
	forgotten := make(chan error, 1)
	crew.Go(func() {
		forgotten <- stage.Bound(context.WithoutCancel(ctx), stage.MinTail, "removing the run marker", f.remembered.Forget)
	})
	var err error
	if f.group.Leads() {
		_, err = f.store.Keep(ctx, contract.ResultKey(jobID), result)
	}
	return errors.Join(err, <-forgotten)
}

// again delivers what an earlier run left, and tells the job's other machines, which
// lost that run before they knew how the job ended. The end of ctx ends it at once, a
// request to stop within the stop grace, as it does the end of any job.
func (f *finish) again(ctx context.Context) int {
	f.o.Log.Info("the job succeeded in an earlier run; delivering what was left")
	r := contract.Result{JobID: f.id.job, TraceID: f.id.trace, Status: contract.StatusSucceeded, Started: contract.At(f.id.started)}
	ctx, cancel := context.WithTimeout(ctx, f.cfg.FlushTimeout)
	defer cancel()
	ctx, release := stage.Hurried(ctx, f.o.Supervisor.Stopping(), f.cfg.StopGrace-2*stage.MinTail)
	defer release()
	_ = f.queue.Deliver(context.Background())
	if err := f.store.Start(ctx); err != nil {
		f.events.Warn(err.Error())
	}
	replay := f.ending().Flush(ctx).Onto(&r)
	traced, tracked := f.tracing.End(r, job.PhaseReporting), f.metrics.End(r)
	f.keep(ctx, &r, replay)
	traced()
	tracked()
	if err := f.group.Announce(ctx, cluster.Verdict{Exit: r.ExitCode, Failure: r.Error}); err != nil {
		f.events.Warn(err.Error())
	}
	return r.ExitCode
}

// prepared says how preparing ended, and returns the exit code.
func (f *finish) prepared(err error, dataset *converters.Prepared) int {
	failure := f.secrets.Failure(contract.AsFailure(err))
	traced := f.tracing.End(resultOf(f.id, Outcome{Err: err}, failure, checkpoints.Summary{}, nil), f.tracker.View().Phase.Name)
	traced()
	_ = f.progress.Stop(context.Background())
	if request, asked := errors.AsType[process.Request](context.Cause(f.o.Supervisor.Stopping())); asked && err != nil {
		failure = contract.Failf(contract.CodeStopped, "%w.", request)
	}
	f.tracker.Enter(job.PhaseReporting)
	r := resultOf(f.id, Outcome{}, failure, checkpoints.Summary{}, nil)
	r.Finished, r.PhaseSeconds = contract.At(f.o.Now()), f.tracker.View().Phase.Seconds
	if err != nil {
		if unwritten := f.termination.Final(r); unwritten != nil {
			f.o.Log.Warn("the result could not be kept everywhere", "error", unwritten)
		}
	}
	f.progress.EndPrepared(r, dataset, f.ws.Root)
	return r.ExitCode
}
