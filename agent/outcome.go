package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints"
	"github.com/vision-platform/trainer-agent/agent/cluster"
	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/diagnose"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/process/training"
	"github.com/vision-platform/trainer-agent/contract"
)

// Outcome is how the part of a job before its end went. What follows is a chain of
// pure functions: Outcome → Evidence → Failure → Result.
type Outcome struct {
	Err      error // no child ran, or it could not be started
	Stop     diagnose.Stop
	Status   *process.Status // of the child; nil when none ran
	Started  time.Time       // of the child
	Ended    time.Time
	Deadline time.Time // of the whole stop; zero when nobody is waiting
}

// clean: the child ended by itself and with status 0.
func (o Outcome) clean() bool {
	return o.Err == nil && o.Stop == diagnose.StopNone && o.Status != nil && o.Status.Success()
}

// endingOf is the Outcome of a child that ran.
func endingOf(e training.Ending) Outcome {
	return Outcome{Stop: diagnose.Stop(e.Stop), Status: &e.Status, Started: e.Started, Ended: e.Ended, Deadline: e.Deadline}
}

// whole: the child had the time to write what it wanted to: it ended well, or left by
// itself when it was asked to stop. After anything else a file may be torn.
func (o Outcome) whole() bool {
	return o.clean() || o.Stop != diagnose.StopNone && o.Status != nil && o.Status.Signal == 0
}

// failedStage is the Outcome of a job of which a stage could not start. The error may
// be only the sign of a request to stop, whose cause is stopping, or of another
// machine's failure.
func failedStage(err, stopping error, deadline time.Time) Outcome {
	if errors.Is(err, cluster.ErrTogether) {
		return Outcome{Stop: diagnose.StopNode}
	}
	if _, ok := errors.AsType[process.Request](stopping); ok {
		return Outcome{Stop: diagnose.StopTold, Deadline: deadline}
	}
	return Outcome{Err: err}
}

// scene is what was seen of a job when it had ended.
type scene struct {
	view    job.View
	final   *contract.Message // the child's own last callback, nil without one
	uploads checkpoints.Summary
	looked  bool // for checkpoints
	resumed bool // from an earlier run's
	tail    []string
	torch   string // TORCHELASTIC_ERROR_FILE
	gpu     contract.GPUEvidence
	system  contract.SystemEvidence
	nodes   []contract.NodeEvidence
}

// evidenceOf brings everything together that is known of the end.
func evidenceOf(cfg *config.Config, o Outcome, s scene) diagnose.Evidence {
	e := diagnose.Evidence{
		JobType: cfg.Job.Type, Err: o.Err, Stop: o.Stop, Started: o.Started, Ended: o.Ended, LastOutput: s.view.Activity,
		Settings: diagnose.Settings{
			Device: cfg.Device, BatchSize: cfg.BatchSize, NumWorkers: cfg.NumWorkers, ImageSize: cfg.ImageSize, LearningRate: cfg.LearningRate,
			MaxTrainingTime: timeLimit(cfg), HangTimeout: cfg.HangTimeout,
		},
		Nodes: s.nodes, LastEpoch: s.view.Epoch, NaNEpochs: s.view.Broken, Checkpoints: s.checkpoints(), Torn: s.uploads.Torn(), Again: s.again(cfg), ChildDone: reportOf(s.final),
		LogTail: s.tail, TorchElasticError: s.torch, System: s.system, GPU: s.gpu,
	}
	if o.Status != nil {
		e.ExitCode, e.Signal = o.Status.ExitCode, int(o.Status.Signal)
	}
	return e
}

// checkpoints is 0 when the job left none, and -1 when nobody looked.
func (s scene) checkpoints() int {
	if !s.looked {
		return -1
	}
	return s.uploads.Complete()
}

// again is what the job does when it is started again.
func (s scene) again(cfg *config.Config) diagnose.Again {
	switch {
	case cfg.Resume == "off", s.uploads.Next == checkpoints.NextStartsOver:
		return diagnose.AgainStartsOver
	case s.uploads.Next == checkpoints.NextResumes, !s.looked && s.resumed:
		return diagnose.AgainResumes
	}
	return diagnose.AgainUnknown
}

// reportOf is what the child said of itself in its own final callback.
func reportOf(final *contract.Message) *diagnose.Report {
	if final == nil {
		return nil
	}
	var said struct {
		Status       contract.Status `json:"status"`
		ErrorMessage *string         `json:"error_message"`
	}
	if json.Unmarshal(final.Body, &said) != nil {
		return nil
	}
	r := &diagnose.Report{Status: said.Status}
	if said.ErrorMessage != nil {
		r.Error = *said.ErrorMessage
	}
	return r
}

// failureOf is the one cause of the end, nil for a success. upload is why the checkpoint
// that the job was run for is not in the bucket. A job whose checkpoint
// did not reach the bucket has not succeeded, whatever its exit status says.
func failureOf(e diagnose.Evidence, upload *contract.Failure) (failure *contract.Failure, uploading bool) {
	if f := diagnose.Diagnose(e); f != nil {
		return f, false
	}
	if f := elsewhere(e); f != nil {
		return f, false
	}
	return upload, upload != nil
}

// elsewhere is the failure of another machine, which a success on this one does not
// make good. A machine that only says that its link broke is no reason of its own, but
// a stop that was caused by another machine is never a success.
func elsewhere(e diagnose.Evidence) *contract.Failure {
	for _, n := range e.Nodes {
		if n.Failure != nil && n.Failure.Code != contract.CodeNodeLost && n.Failure.Code != contract.CodeNCCLTimeout {
			f := *n.Failure
			f.Message = fmt.Sprintf("On node %d: %s", n.Rank, f.Message)
			return &f
		}
	}
	for _, n := range e.Nodes {
		if n.Lost {
			return contract.Failf(contract.CodeNodeLost, "Node %d was lost before it said how it ended.", n.Rank).WithHint("Run it again.")
		}
	}
	if e.Stop == diagnose.StopNode {
		return contract.Failf(contract.CodeNodeLost, "The training was stopped because another machine of the job had failed or was lost.").
			WithHint("Look at the logs of the other machines, training-node-N.log beside training.log.")
	}
	return nil
}

// endedEarly says that a script left well before it had trained all epochs.
func endedEarly(cfg *config.Config, e diagnose.Evidence, failure *contract.Failure) []string {
	if failure != nil || cfg.Job.Type != contract.JobTraining || e.LastEpoch < 1 || e.LastEpoch >= cfg.Epochs {
		return nil
	}
	return []string{fmt.Sprintf("The training script ended without an error after %d of %d epochs. If it did not stop early on purpose, look at the end of its log.", e.LastEpoch, cfg.Epochs)}
}

// resultOf is the whole outcome, before it is known whether the backend heard of it.
func resultOf(id identity, o Outcome, failure *contract.Failure, uploads checkpoints.Summary, metrics contract.Metrics) contract.Result {
	r := contract.Result{
		JobID: id.job, TraceID: id.trace, Status: contract.StatusSucceeded, Error: failure, Started: contract.At(id.started),
		Artifacts: uploads.Artifacts, NotUploaded: uploads.Failed, CheckpointPath: uploads.CheckpointPath(), FinalMetrics: metrics,
	}
	if failure != nil {
		r.Status = contract.StatusFailed
	}
	if o.Status != nil {
		r.ChildExitCode = &o.Status.ExitCode
	} else if e, ok := errors.AsType[*process.ExecError](o.Err); ok {
		r.ChildExitCode = &e.Status // 126 or 127, as a shell would have it
	}
	r.ExitCode = exitCode(failure, true)
	return r
}

// identity names a run.
type identity struct {
	job, trace string
	started    time.Time // of the agent
}

// exitCode is the agent's. A done that was not delivered shows in it, unless the job
// is to be run again anyway: that sends its own.
func exitCode(failure *contract.Failure, delivered bool) int {
	exit := contract.ExitOK
	if failure != nil {
		exit = failure.ExitCode()
	}
	if !delivered && (exit == contract.ExitOK || exit == contract.ExitFailed) {
		return contract.ExitUndelivered
	}
	return exit
}

// timeLimit is how long the child may run.
func timeLimit(cfg *config.Config) time.Duration {
	if t := cfg.Job.Training; t != nil {
		return t.MaxTrainingTime
	}
	return time.Duration(cfg.MaxTrainingSeconds) * time.Second
}

// minTail is what even the latest stop leaves for what is said last.
const minTail = 3 * time.Second

// flushBudget is AGENT_FLUSH_TIMEOUT, or what is left of the stop grace.
func flushBudget(o Outcome, timeout time.Duration, now time.Time) time.Duration {
	if o.Deadline.IsZero() {
		return timeout
	}
	return max(minTail, o.Deadline.Sub(now)-minTail)
}

// hurried ends ctx a share of time after a request to stop: a job that is done
// training may be asked to stop like any other.
func hurried(parent, stopping context.Context, share time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	release := context.AfterFunc(stopping, func() {
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
