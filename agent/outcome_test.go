package agent

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints"
	"github.com/vision-platform/trainer-agent/agent/cluster"
	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/diagnose"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/contract"
)

func trainingOf(epochs int) *config.Config {
	cfg := &config.Config{Environment: config.Environment{Epochs: epochs}}
	cfg.Job.Type = contract.JobTraining
	cfg.Job.Training = &contract.TrainingJob{MaxTrainingTime: time.Hour}
	return cfg
}

func exited(code int) *process.Status { return &process.Status{ExitCode: code} }

func killedBy(sig syscall.Signal) *process.Status {
	return &process.Status{ExitCode: 128 + int(sig), Signal: sig}
}

// stored is what is left of a job with one checkpoint in the bucket.
var stored = checkpoints.Summary{Seen: true, Last: "s3://b/checkpoints/job-j/last.pt", LastEpoch: 3, Next: checkpoints.NextResumes}

// none is what is left of a job without one.
var none = checkpoints.Summary{Seen: true}

// TestTheEndOfAJobIsReportedTruly goes the whole chain: Outcome → Evidence → Failure →
// Result.
func TestTheEndOfAJobIsReportedTruly(t *testing.T) {
	oom := contract.Failf(contract.CodeCUDAOOM, "Out of GPU memory.")
	done := &contract.Message{Kind: contract.KindDone, Body: []byte(`{"status":"succeeded"}`)}
	workerOOM := []contract.NodeEvidence{{Rank: 1, Failure: oom}}
	workerLost := []contract.NodeEvidence{{Rank: 1, Lost: true}}
	for name, c := range map[string]struct {
		outcome Outcome
		scene   scene
		upload  *contract.Failure
		code    contract.Code // "" is a success
		exit    int
	}{
		"it trained":                       {outcome: Outcome{Status: exited(0)}, scene: scene{uploads: stored}},
		"exit 0 with nothing uploaded":     {Outcome{Status: exited(0)}, scene{uploads: none}, nil, contract.CodeTrainingFailed, 1},
		"exit 0, the upload failed":        {Outcome{Status: exited(0)}, scene{uploads: stored}, contract.Failf(contract.CodeStorageError, "The checkpoint best.pt could not be uploaded."), contract.CodeStorageError, 75},
		"the script raised":                {Outcome{Status: exited(1)}, scene{uploads: stored}, nil, contract.CodeTrainingFailed, 1},
		"out of GPU memory":                {Outcome{Status: exited(1)}, scene{tail: []string{"torch.cuda.OutOfMemoryError: CUDA out of memory."}, uploads: none}, nil, contract.CodeCUDAOOM, 1},
		"asked to stop":                    {Outcome{Stop: diagnose.StopRequested, Status: killedBy(syscall.SIGTERM)}, scene{uploads: stored}, nil, contract.CodeStopped, 143},
		"asked to stop, the script left 0": {Outcome{Stop: diagnose.StopRequested, Status: exited(0)}, scene{uploads: stored}, nil, contract.CodeStopped, 143},
		"asked to stop when it was done":   {outcome: Outcome{Stop: diagnose.StopRequested, Status: exited(0)}, scene: scene{uploads: stored, final: done}},
		"the time limit":                   {Outcome{Stop: diagnose.StopTimeLimit, Status: killedBy(syscall.SIGTERM)}, scene{uploads: stored}, nil, contract.CodeTrainingTimeout, 1},
		"it hung":                          {Outcome{Stop: diagnose.StopHang, Status: killedBy(syscall.SIGKILL)}, scene{uploads: stored}, nil, contract.CodeHung, 1},
		"a GPU was lost": {Outcome{Stop: diagnose.StopGPU, Status: exited(0)},
			scene{uploads: stored, gpu: contract.GPUEvidence{Faults: []contract.GPUFault{{Kind: contract.GPULost, XID: 79, Fatal: true, Message: "GPU 0 has fallen off the bus."}}}}, nil, contract.CodeGPULost, 75},
		"a stage failed":                      {outcome: Outcome{Err: contract.Failf(contract.CodeDatasetInvalid, "no annotations.")}, code: contract.CodeDatasetInvalid, exit: 1},
		"a stage panicked":                    {outcome: Outcome{Err: contract.Failf(contract.CodeInternal, "The agent has a bug.")}, code: contract.CodeInternal, exit: 1},
		"the store cannot be reached":         {outcome: Outcome{Err: contract.Failf(contract.CodeStorageError, "nobody answers.")}, code: contract.CodeStorageError, exit: 75},
		"another machine fails, exit 0":       {Outcome{Stop: diagnose.StopNode, Status: exited(0)}, scene{uploads: stored, nodes: workerOOM}, nil, contract.CodeCUDAOOM, 1},
		"another machine fails, exit 1":       {Outcome{Stop: diagnose.StopNode, Status: exited(1)}, scene{uploads: stored, nodes: workerOOM}, nil, contract.CodeCUDAOOM, 1},
		"another machine fails, exit 143":     {Outcome{Stop: diagnose.StopNode, Status: exited(143)}, scene{uploads: stored, nodes: workerOOM}, nil, contract.CodeCUDAOOM, 1},
		"another machine fails, TERM ignored": {Outcome{Stop: diagnose.StopNode, Status: killedBy(syscall.SIGKILL)}, scene{uploads: stored, nodes: workerOOM}, nil, contract.CodeCUDAOOM, 1},
		"another machine is lost, exit 0":     {Outcome{Stop: diagnose.StopNode, Status: exited(0)}, scene{uploads: stored, nodes: workerLost}, nil, contract.CodeNodeLost, 75},
		"another machine, nothing is known":   {Outcome{Stop: diagnose.StopNode, Status: exited(0)}, scene{uploads: stored, final: done}, nil, contract.CodeNodeLost, 75},
		"this one succeeds, another failed":   {Outcome{Status: exited(0)}, scene{uploads: stored, nodes: workerOOM}, nil, contract.CodeCUDAOOM, 1},
		"this one succeeds, another is lost":  {Outcome{Status: exited(0)}, scene{uploads: stored, nodes: workerLost}, nil, contract.CodeNodeLost, 75},
		"this one succeeds, a link broke": {outcome: Outcome{Status: exited(0)},
			scene: scene{uploads: stored, nodes: []contract.NodeEvidence{{Rank: 1, Failure: contract.Failf(contract.CodeNodeLost, "The training on another machine ended first.")}}}},
		"all machines succeed": {outcome: Outcome{Status: exited(0)}, scene: scene{uploads: stored, nodes: []contract.NodeEvidence{{Rank: 1}}}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := trainingOf(3)
			c.scene.view.Epoch = 3
			failure, _ := diagnose.Cause(evidenceOf(cfg, c.outcome, c.scene), c.upload)
			r := resultOf(identity{job: "j"}, c.outcome, failure, c.scene.uploads, nil)
			code := contract.Code("")
			if r.Error != nil {
				code = r.Error.Code
			}
			if code != c.code || r.ExitCode != c.exit || (r.Status == contract.StatusSucceeded) != (code == "") {
				t.Errorf("%s, exit code %d, %s: %+v", code, r.ExitCode, r.Status, r.Error)
			}
			if c.outcome.Status != nil && (r.ChildExitCode == nil || *r.ChildExitCode != c.outcome.Status.ExitCode) {
				t.Errorf("the child's status is not told: %v", r.ChildExitCode)
			}
		})
	}
}

// INFERENCE_TYPE may stand in the environment of another kind of job.
func TestOnlyATestRunNeedsMetrics(t *testing.T) {
	for kind, code := range map[contract.JobType]contract.Code{contract.JobExport: "", contract.JobInference: contract.CodeInferenceFailed} {
		cfg := &config.Config{Environment: config.Environment{InferenceType: string(contract.InferenceTestRun)}}
		cfg.Job.Type = kind
		if kind == contract.JobInference {
			cfg.Job.Inference = &contract.InferenceRun{Type: contract.InferenceTestRun}
		}
		failure, _ := diagnose.Cause(evidenceOf(cfg, Outcome{Status: exited(0)}, scene{uploads: stored}), nil)
		if (failure == nil) != (code == "") || failure != nil && failure.Code != code {
			t.Errorf("%s: %+v", kind, failure)
		}
	}
}

func TestAScriptThatWasCrowdedOutIsNotBlamedAlone(t *testing.T) {
	cfg := trainingOf(4)
	for crowded, want := range map[bool]string{true: "crowded the agent's relay", false: "after 2 of 4 epochs"} {
		e := evidenceOf(cfg, Outcome{Status: exited(0)}, scene{uploads: stored, view: job.View{Epoch: 2}, crowded: crowded})
		if texts := diagnose.EndedEarly(e, nil, 4); len(texts) != 1 || !strings.Contains(texts[0], want) {
			t.Errorf("%q, want %q", texts, want)
		}
	}
}

func TestAMetricThatNeverRoseAbove0IsTold(t *testing.T) {
	for name, c := range map[string]struct {
		mode contract.MetricMode
		best job.Value
		told bool
	}{
		"0":                 {contract.MetricMax, job.Value{Epoch: 1}, true},
		"below 0":           {contract.MetricMax, job.Value{Epoch: 2, Value: -1}, false},
		"above":             {contract.MetricMax, job.Value{Epoch: 1, Value: 0.01}, false},
		"a loss of 0":       {contract.MetricMin, job.Value{Epoch: 1}, false},
		"nothing was heard": {contract.MetricMax, job.Value{}, false},
	} {
		cfg := trainingOf(4)
		cfg.PrimaryMetric, cfg.PrimaryMetricMode = "mAP50-95", string(c.mode)
		said := strings.Join(diagnose.Warnings(evidenceOf(cfg, Outcome{Status: exited(0)}, scene{uploads: stored, view: job.View{Epoch: 4, Best: c.best}})), " ")
		if told := strings.Contains(said, "mAP50-95, the primary metric, was never above 0"); told != c.told {
			t.Errorf("%s: %q", name, said)
		}
	}
}

func TestAStageThatFailedMayBeTheSignOfSomethingElse(t *testing.T) {
	deadline := time.Unix(1000, 0)
	request := process.Request{Count: 1}
	broken := errors.New("the connection broke")
	for name, c := range map[string]struct {
		err, stopping error
		want          Outcome
	}{
		"a failure":                  {broken, nil, Outcome{Err: broken}},
		"a request to stop":          {request, request, Outcome{Stop: diagnose.StopRequested, Deadline: deadline}},
		"a failure while stopping":   {broken, request, Outcome{Stop: diagnose.StopRequested, Deadline: deadline}},
		"another machine has failed": {fmt.Errorf("assembling: %w", cluster.ErrTogether), nil, Outcome{Stop: diagnose.StopNode}},
	} {
		if got := failedStage(c.err, c.stopping, deadline); !errors.Is(got.Err, c.want.Err) || got.Stop != c.want.Stop || !got.Deadline.Equal(c.want.Deadline) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestACommandThatCannotRunHasTheStatusOfAShell(t *testing.T) {
	r := resultOf(identity{}, Outcome{Err: &process.ExecError{Status: 127}}, contract.Failf(contract.CodeConfigInvalid, "no such program"), checkpoints.Summary{}, nil)
	if r.ChildExitCode == nil || *r.ChildExitCode != 127 {
		t.Errorf("%+v", r)
	}
}

// Node 0 alone validates at the end, for longer than it may take to report.
func TestAMachineThatIsDoneWaitsAsLongAsNode0MayTrain(t *testing.T) {
	cfg := trainingOf(1)
	cfg.FlushTimeout, cfg.NodeTimeout = 10*time.Minute, time.Minute
	if got := config.VerdictWait(cfg); got < 71*time.Minute {
		t.Errorf("it waits %s", got)
	}
}

func TestAnOutcomeIsCleanOnlyByItself(t *testing.T) {
	for name, c := range map[string]struct {
		o            Outcome
		clean, whole bool
	}{
		"exit 0":                  {Outcome{Status: exited(0)}, true, true},
		"exit 1":                  {Outcome{Status: exited(1)}, false, false},
		"stopped, saved and left": {Outcome{Stop: diagnose.StopRequested, Status: exited(0)}, false, true},
		"stopped and killed":      {Outcome{Stop: diagnose.StopRequested, Status: killedBy(syscall.SIGKILL)}, false, false},
		"never ran":               {Outcome{Err: errors.New("…")}, false, false},
	} {
		if c.o.clean() != c.clean || c.o.whole() != c.whole {
			t.Errorf("%s: clean %v, whole %v", name, c.o.clean(), c.o.whole())
		}
	}
}

// What another try may mend is for that try to tell.
func TestPrepareTellsOnlyOfWhatIsPermanent(t *testing.T) {
	for want, errs := range map[bool][]error{
		true:  {contract.Failf(contract.CodeDatasetInvalid, "…"), contract.Failf(contract.CodeConfigInvalid, "…"), errors.New("a bug")},
		false: {nil, contract.Failf(contract.CodeStorageError, "…"), contract.Failf(contract.CodeStopped, "…"), process.Request{Signal: syscall.SIGTERM, Count: 1}},
	} {
		for _, err := range errs {
			if permanent(err) != want {
				t.Errorf("%v: permanent is %t", err, !want)
			}
		}
	}
}
