package agent

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/checkpoints"
	"github.com/vision-platform/trainer-agent/agent/process"
	"github.com/vision-platform/trainer-agent/contract"
)

// result is the whole outcome, before it is known whether the backend heard of it.
func (j *job) result(o outcome, failure *contract.Failure, uploads checkpoints.Summary) contract.Result {
	r := contract.Result{
		JobID: j.cfg.JobID, TraceID: j.cfg.TraceID, Status: contract.StatusSucceeded, Error: failure,
		Artifacts: uploads.Artifacts, NotUploaded: uploads.Failed, CheckpointPath: uploads.CheckpointPath(), Started: contract.At(j.started), FinalMetrics: j.finalMetrics(uploads),
	}
	if failure != nil {
		r.Status = contract.StatusFailed
	}
	if o.status != nil {
		r.ChildExitCode = &o.status.ExitCode
	} else if e, ok := errors.AsType[*process.ExecError](o.err); ok {
		r.ChildExitCode = &e.Status // 126 or 127, as a shell would have it
	}
	return r
}

// finalMetrics are those that the trainer gave in its own done, else those of
// the best epoch, else the last ones heard.
func (j *job) finalMetrics(uploads checkpoints.Summary) contract.Metrics {
	v := j.progress.view()
	metrics := contract.Metrics{}
	maps.Copy(metrics, v.last)
	if uploads.BestEpoch > 0 {
		if best := j.progress.at(uploads.BestEpoch); best != nil {
			metrics = best
		}
		metrics["best_epoch"] = contract.Number(uploads.BestEpoch)
	}
	var said contract.Done
	if json.Unmarshal(j.lastWord(), &said) == nil {
		maps.Copy(metrics, said.FinalMetrics)
	}
	return metrics
}

// lastWord is the trainer's own final callback; when it said none in this life,
// the one that it had an answer for in a life that was killed. Nil is none.
func (j *job) lastWord() json.RawMessage {
	said := j.progress.view().final
	if said != nil || j.outbox == nil {
		return said
	}
	kept, _ := j.outbox.Kept(contract.FinalKind(j.cfg.Job.Type, contract.InferenceType(j.cfg.InferenceType)))
	return kept.Body
}

// final builds the callback that ends the job: the trainer's own, where it gave
// one, corrected by what the agent knows better.
func (j *job) final(r *contract.Result) (contract.Kind, any) {
	kind := contract.FinalKind(j.cfg.Job.Type, contract.InferenceType(j.cfg.InferenceType))
	said := j.lastWord()
	var line *string
	if r.Error != nil {
		text := r.Error.Line()
		line = &text
	}
	at := contract.At(j.Now())
	switch kind {
	case contract.KindTestRunDone:
		d := contract.TestRunDone{OverallMetrics: r.FinalMetrics, PerClassMetrics: []contract.ClassMetrics{}, PRCurves: map[string]contract.PRCurve{}}
		_ = json.Unmarshal(said, &d)
		d.Status, d.ErrorMessage, d.Error, d.ExitCode, d.Timestamp = r.Status, line, r.Error, r.ChildExitCode, at
		j.locate(r, &d.ResultsPath, "results.json")
		j.locate(r, &d.VisualizationsPath, "visualizations/")
		j.locate(r, &d.XAIResultsPath, "xai/")
		return kind, d
	case contract.KindInferenceDone:
		var d contract.InferenceDone
		_ = json.Unmarshal(said, &d)
		d.Status, d.ErrorMessage, d.Error, d.ExitCode, d.Timestamp = r.Status, line, r.Error, r.ChildExitCode, at
		j.locate(r, &d.ResultsPath, "results.json")
		j.locate(r, &d.VisualizationsPath, "visualizations/")
		j.locate(r, &d.XAIResultsPath, "xai/")
		return kind, d
	case contract.KindExportDone:
		var d contract.ExportDone
		_ = json.Unmarshal(said, &d)
		d.Status, d.ErrorMessage, d.Error, d.ExitCode, d.Timestamp = r.Status, line, r.Error, r.ChildExitCode, at
		j.locate(r, &d.ExportPath, "model.")
		j.locate(r, &d.MetadataPath, "metadata.json")
		j.locate(r, &d.PackagePath, "package.zip")
		return kind, d
	}
	return kind, contract.Done{
		Status: r.Status, FinalMetrics: r.FinalMetrics, CheckpointPath: r.CheckpointPath, ErrorMessage: line, Error: r.Error,
		ExitCode: r.ChildExitCode, Artifacts: r.Artifacts, Timestamp: at,
	}
}

// locate fills a path of a final callback with the address of what was really
// uploaded under the output prefix; the trainer knows only its own folder. A
// name that ends in a slash or a dot is a folder or a file of any extension.
func (j *job) locate(r *contract.Result, path **string, name string) {
	*path = nil
	prefix := contract.OutputPrefix(j.cfg.Job)
	for _, a := range r.Artifacts {
		if a.Name == name {
			*path = &a.Path
			return
		}
		if open := name[len(name)-1]; (open == '/' || open == '.') && len(a.Name) > len(name) && a.Name[:len(name)] == name {
			uri := a.Path
			if open == '/' {
				uri = j.store.URI(prefix + name)
			} else if folder, _, deep := strings.Cut(a.Name, "/"); deep { // a model that is a folder
				uri = j.store.URI(prefix+folder) + "/"
			}
			*path = &uri
			return
		}
	}
}
