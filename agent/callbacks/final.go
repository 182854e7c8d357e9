package callbacks

import (
	"maps"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// A Place knows the addresses below a job's output prefix.
type Place struct {
	Prefix string
	URI    func(key string) string
}

// Final builds the callback that ends the job: the trainer's own, where it
// gave one, corrected by what the agent knows better.
func Final(kind contract.Kind, said *contract.Message, r *contract.Result, at contract.Timestamp, out Place) any {
	var line *string
	if r.Error != nil {
		text := r.Error.Line()
		line = &text
	}
	switch kind {
	case contract.KindTestRunDone:
		d, spoke := saidAs[contract.TestRunDone](said)
		if !spoke {
			d.PerClassMetrics, d.PRCurves = []contract.ClassMetrics{}, map[string]contract.PRCurve{}
		}
		metrics := contract.Metrics{}
		maps.Copy(metrics, r.FinalMetrics)
		maps.Copy(metrics, d.OverallMetrics)
		d.OverallMetrics = metrics
		d.Status, d.ErrorMessage, d.Error, d.ExitCode, d.Timestamp = r.Status, line, r.Error, r.ChildExitCode, at
		d.ResultsPath, d.VisualizationsPath, d.XAIResultsPath = out.of(r, "results.json"), out.of(r, "visualizations/"), out.of(r, "xai/")
		return d
	case contract.KindInferenceDone:
		d, _ := saidAs[contract.InferenceDone](said)
		d.Status, d.ErrorMessage, d.Error, d.ExitCode, d.Timestamp = r.Status, line, r.Error, r.ChildExitCode, at
		d.ResultsPath, d.VisualizationsPath, d.XAIResultsPath = out.of(r, "results.json"), out.of(r, "visualizations/"), out.of(r, "xai/")
		return d
	case contract.KindExportDone:
		d, _ := saidAs[contract.ExportDone](said)
		d.Status, d.ErrorMessage, d.Error, d.ExitCode, d.Timestamp = r.Status, line, r.Error, r.ChildExitCode, at
		d.ExportPath, d.MetadataPath, d.PackagePath = out.of(r, "model."), out.of(r, "metadata.json"), out.of(r, "package.zip")
		return d
	}
	artifacts, _ := contract.ListArtifacts(r.Artifacts) // result.json has all
	return contract.Done{
		Status: r.Status, FinalMetrics: r.FinalMetrics, CheckpointPath: r.CheckpointPath, ErrorMessage: line, Error: r.Error,
		ExitCode: r.ChildExitCode, Artifacts: artifacts, Timestamp: at,
	}
}

// StoredCheckpoint is the address of the checkpoint that a training named in its own
// final callback, "" when it named none.
func StoredCheckpoint(said *contract.Message) string {
	d, _ := saidAs[contract.Done](said)
	if d.CheckpointPath == nil {
		return ""
	}
	return *d.CheckpointPath
}

// saidAs is the trainer's own final callback as its kind's type.
func saidAs[T any](said *contract.Message) (d T, spoke bool) {
	if said != nil {
		d, spoke = said.Decoded().(T)
	}
	return d, spoke
}

// of is the address of what was really uploaded under a name; the trainer knows
// only its own folder. A name that ends in a slash or a dot is a folder or a file
// of any extension.
func (p Place) of(r *contract.Result, name string) *string {
	for _, a := range r.Artifacts {
		if a.Name == name {
			return &a.Path
		}
		open := name[len(name)-1]
		if open != '/' && open != '.' || !strings.HasPrefix(a.Name, name) || a.Name == name {
			continue
		}
		uri := a.Path
		if open == '/' {
			uri = p.URI(p.Prefix + name)
		} else if folder, _, deep := strings.Cut(a.Name, "/"); deep { // a model that is a folder
			uri = p.URI(p.Prefix+folder) + "/"
		}
		return &uri
	}
	return nil
}

// FinalMetrics are those that the trainer gave in its own done, else those of the
// best epoch, else the last ones reported.
func FinalMetrics(last, best contract.Metrics, bestEpoch int, final *contract.Message) contract.Metrics {
	metrics := contract.Metrics{}
	if best != nil {
		maps.Copy(metrics, best)
	} else {
		maps.Copy(metrics, last)
	}
	if bestEpoch > 0 {
		metrics["best_epoch"] = contract.Number(bestEpoch)
	}
	if said, spoke := saidAs[contract.Done](final); spoke {
		maps.Copy(metrics, said.FinalMetrics)
	}
	return metrics
}
