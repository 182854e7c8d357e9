package agent

import (
	"encoding/json"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/agent/checkpoints"
	"github.com/vision-platform/trainer-agent/agent/diagnose"
	"github.com/vision-platform/trainer-agent/contract"
)

// evidence gathers what is known about the end of the job.
func (j *job) evidence(o outcome, uploads checkpoints.Summary) diagnose.Evidence {
	v := j.progress.view()
	e := diagnose.Evidence{
		JobType: j.cfg.Job.Type, Err: o.err, Stop: o.stop, Started: o.started, Ended: o.ended, LastOutput: v.activity,
		Settings: diagnose.Settings{
			Device: j.cfg.Device, BatchSize: j.cfg.BatchSize, NumWorkers: j.cfg.NumWorkers, ImageSize: j.cfg.ImageSize, LearningRate: j.cfg.LearningRate,
			MaxTrainingTime: j.timeLimit(), HangTimeout: j.cfg.HangTimeout,
		},
		Nodes: j.nodeEvidence(o), LastEpoch: v.epoch, NaNEpochs: v.nan, Checkpoints: j.checkpointsSeen(uploads), Torn: uploads.Torn(), Again: j.again(uploads), ChildDone: saidDone(v.final),
	}
	if j.output != nil {
		e.LogTail = j.output.tail.Lines()
	}
	if o.status != nil {
		e.ExitCode, e.Signal = o.status.ExitCode, int(o.status.Signal)
		e.TorchElasticError = readBounded(j.torchErrors())
	}
	if j.sampler != nil {
		e.System = j.sampler.Evidence()
	}
	if j.gpus != nil {
		e.GPU = j.gpus.Evidence()
	}
	return e
}

// saidDone is what the child said of itself in its own final callback.
func saidDone(final json.RawMessage) *diagnose.Report {
	if final == nil {
		return nil
	}
	var said struct {
		Status       contract.Status `json:"status"`
		ErrorMessage *string         `json:"error_message"`
	}
	if json.Unmarshal(final, &said) != nil {
		return nil
	}
	r := &diagnose.Report{Status: said.Status}
	if said.ErrorMessage != nil {
		r.Error = *said.ErrorMessage
	}
	return r
}

// readBounded reads a small text of the child's, or nothing.
func readBounded(path string) string {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0) // the child could have put a pipe or a link there
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	b, _ := io.ReadAll(io.LimitReader(f, 64<<10))
	return string(b)
}

// checkpointsSeen is 0 when the job left none, and -1 when nobody looked.
func (j *job) checkpointsSeen(uploads checkpoints.Summary) int {
	if j.watcher.Load() == nil {
		return -1
	}
	return uploads.Complete()
}

// again is what the job does when it is started again.
func (j *job) again(uploads checkpoints.Summary) diagnose.Again {
	switch {
	case j.cfg.Resume == "off":
		return diagnose.AgainStartsOver
	case uploads.Next == checkpoints.NextResumes, j.watcher.Load() == nil && j.prepared.resume != "":
		return diagnose.AgainResumes
	case uploads.Next == checkpoints.NextStartsOver:
		return diagnose.AgainStartsOver
	}
	return diagnose.AgainUnknown
}
