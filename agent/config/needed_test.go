package config

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestTheDatasetThatAJobReads(t *testing.T) {
	for name, c := range map[string]struct {
		job       contract.JobType
		validated string
		want      string
	}{
		"a training":               {contract.JobTraining, "v", "d"},
		"an inference":             {contract.JobInference, "v", "d"},
		"an export without images": {contract.JobExport, "", ""},
		"an export with images":    {contract.JobExport, "v", "v"},
	} {
		cfg := &Config{Environment: Environment{DatasetID: "d", ValidationDatasetID: c.validated}}
		cfg.Job.Type = c.job
		if got := NeededDataset(cfg); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestAnInferenceJobReadsPicturesOnly(t *testing.T) {
	cfg := &Config{}
	cfg.Job = contract.Job{Type: contract.JobInference, Inference: &contract.InferenceRun{Type: contract.InferenceJob, ImagePaths: []string{"s3://b/a.jpg"}}}
	cfg.Framework = "mine"
	if r := NeededFormat(cfg, "out"); r.Format != contract.FormatNone || r.Out != "out" || r.Framework != "mine" {
		t.Errorf("%+v", r)
	}
	if got := NeededImages(cfg); !slices.Equal(got, []string{"s3://b/a.jpg"}) {
		t.Errorf("%q", got)
	}
	if got := NeededImages(&Config{}); got != nil {
		t.Errorf("a training has %q", got)
	}
}

// What was trained with a split of one's own is not measured on another.
func TestATestRunSplitsAsItIsTold(t *testing.T) {
	cfg := &Config{Environment: Environment{SplitStrategy: Strategy{&contract.SplitStrategy{Method: contract.SplitAuto, Seed: new(int64)}}}}
	for name, j := range map[string]contract.Job{
		"a test run": {Type: contract.JobInference, Inference: &contract.InferenceRun{Type: contract.InferenceTestRun}},
		"an export":  {Type: contract.JobExport, Export: &contract.ExportJob{}},
		"a training": {Type: contract.JobTraining, Training: &contract.TrainingJob{}},
	} {
		cfg.Job = j
		if got := NeededFormat(cfg, "out").Split; got != cfg.SplitStrategy.SplitStrategy {
			t.Errorf("%s splits by %+v", name, got)
		}
		if got := NeededFormat(cfg, "out").Measured; got != (name == "a test run") {
			t.Errorf("%s measures a test set: %v", name, got)
		}
	}
}

// Kubernetes replaces the file of a mounted Secret while the job runs.
func TestADetectorOfRotatedBoxesReadsOutlines(t *testing.T) {
	for model, task := range map[string]contract.TaskType{"yolo11n-obb": contract.TaskInstanceSegmentation, "yolo11n": contract.TaskObjectDetection} {
		cfg := new(Config)
		cfg.Framework, cfg.DatasetFormat = contract.FrameworkUltralytics, "auto"
		cfg.TaskType, cfg.Job.Task, cfg.Job.Model = string(contract.TaskObjectDetection), contract.TaskObjectDetection, model
		if r := NeededFormat(cfg, "out"); r.Task != task || r.Format != contract.FormatYOLO {
			t.Errorf("%s reads %s as %s", model, r.Task, r.Format)
		}
	}
}

func TestATokenInAFileIsReadEachTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	cfg := &Config{TokenFile: path}
	variable, read := BackendToken(cfg)
	for _, token := range []string{"first", "second"} {
		if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := read(); got != token || err != nil || variable != "CALLBACK_TOKEN_FILE" {
			t.Errorf("%s: %q, %v, want %q", variable, got, err, token)
		}
	}
}
