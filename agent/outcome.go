package agent

import (
	"errors"
	"slices"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints"
	"github.com/vision-platform/trainer-agent/agent/cluster"
	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/dataset"
	"github.com/vision-platform/trainer-agent/agent/diagnose"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/agent/process/training"
	"github.com/vision-platform/trainer-agent/agent/settings"
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
		return Outcome{Stop: diagnose.StopRequested, Deadline: deadline}
	}
	return Outcome{Err: err}
}

// scene is what was seen of a job when it had ended.
type scene struct {
	view    job.View
	final   *contract.Message // the child's own last callback, nil without one
	uploads checkpoints.Summary
	resumed bool // from an earlier run's
	crowded bool // the relay was: see callbacks.Relay
	tail    []string
	torch   string // TORCHELASTIC_ERROR_FILE
	gpu     contract.GPUEvidence
	system  contract.SystemEvidence
	nodes   []contract.NodeEvidence
}

// evidenceOf brings everything together that is known of the end.
func evidenceOf(cfg *config.Config, o Outcome, s scene) diagnose.Evidence {
	e := diagnose.Evidence{
		JobType: cfg.Job.Type, Measures: cfg.Job.Measures(), Err: o.Err, Stop: o.Stop, Started: o.Started, Ended: o.Ended, LastOutput: s.view.Activity,
		Settings: settings.Diagnosis(cfg),
		Nodes:    s.nodes, LastEpoch: s.view.Epoch, NaNEpochs: s.view.Broken, Checkpoints: s.uploads.Complete(), Torn: s.uploads.Torn(), Again: s.again(cfg), ChildDone: diagnose.ReportOf(s.final), Crowded: s.crowded,
		LogTail: s.tail, TorchElasticError: s.torch, System: s.system, GPU: s.gpu,
	}
	e.Early, e.Zero = s.view.Early != "", neverAbove0(cfg, s.view.Best)
	if o.Status != nil {
		e.ExitCode, e.Signal = o.Status.ExitCode, int(o.Status.Signal)
	}
	return e
}

// neverAbove0 is the primary metric's name, if that is so after an epoch or more. A metric
// whose best is below 0 (R², a log-likelihood) measures otherwise, and says something.
func neverAbove0(cfg *config.Config, best job.Value) string {
	if cfg.Job.Type != contract.JobTraining || best.Epoch == 0 || best.Value != 0 || contract.MetricMode(cfg.PrimaryMetricMode) == contract.MetricMin {
		return ""
	}
	return cfg.PrimaryMetric
}

// again is what the job does when it is started again.
func (s scene) again(cfg *config.Config) diagnose.Again {
	switch {
	case cfg.Job.Type == contract.JobExport, cfg.Job.Measures(), cfg.Job.Type != contract.JobTraining && cfg.Resume == "off":
		return diagnose.AgainAnew
	case cfg.Job.Type != contract.JobTraining && slices.ContainsFunc(s.uploads.Artifacts, isPart):
		return diagnose.AgainGoesOn
	case cfg.Job.Type != contract.JobTraining:
		return diagnose.AgainUnknown // an earlier run may have left some
	case s.uploads.Next == checkpoints.NextStartsOver:
		return diagnose.AgainStartsOver
	case cfg.Resume == "off" && s.uploads.Next == checkpoints.NextResumes:
		return diagnose.AgainIfAsked
	case cfg.Resume == "off":
		return diagnose.AgainAnew
	case s.uploads.Next == checkpoints.NextResumes, !s.uploads.Seen && s.resumed:
		return diagnose.AgainResumes
	}
	return diagnose.AgainUnknown
}

// isPart: of the results so far of an inference job.
func isPart(a contract.Artifact) bool { return a.Name == dataset.PartsFolder+"/" }

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
	r.ExitCode = contract.ExitCode(failure, true)
	return r
}

// identity names a run.
type identity struct {
	job, trace string
	started    time.Time // of the agent
}
