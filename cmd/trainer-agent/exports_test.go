package main_test

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// extensions are those of the model's file or folder.
var extensions = map[string]string{"onnx": ".onnx", "torchscript": ".torchscript", "openvino": ".openvino/model.xml", "coreml": ".mlpackage/Manifest.json", "tflite": ".tflite"}

// exported: a trained model is exported at the defaults and validated on its own
// dataset: the file is as good as the original. Converters are kept from one run of the
// tests to the next.
func (k kind) exported(t *testing.T, dataset, checkpoint, format string) {
	j := newJob(t, "").ofTrainer(k.trainer).with("EXPORT_FORMAT", format, "TASK_TYPE", string(k.task), "MODEL_NAME", k.model, "DATASET_ID", "",
		"VALIDATION_DATASET_ID", dataset, "ENABLE_VALIDATION", "true", "CHECKPOINT_PATH", checkpoint, "CONFIDENCE_THRESHOLD", k.threshold,
		"EXPORT_TOOLBOX_DIR", filepath.Join(shared.root, ".tools", "toolboxes")).mustExit(0)
	var d contract.ExportDone
	j.final(contract.KindExportDone, &d)
	if d.Status != contract.StatusSucceeded || d.ExportPath == nil || d.MetadataPath == nil || d.PackagePath == nil || d.ModelInfo == nil {
		t.Fatalf("done: %+v", d)
	}
	if m := d.ValidationMetrics; m == nil || !m.Passed || math.Abs(float64(m.AccuracyDrop)) > 0.001 || m.OriginalAccuracy < 0.1 {
		t.Errorf("the exported model is another one: %+v", m)
	}
	if format != "tflite" && !slices.Equal(d.ModelInfo.InputShape, []int{-1, -1, 3}) { // any image: INCLUDE_PREPROCESSING is the default
		t.Errorf("input %v", d.ModelInfo.InputShape)
	}
	names := j.objects("export-jobs/" + j.id + "/")
	for _, want := range []string{"model" + extensions[format], "metadata.json", "package.zip"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among %v", want, names)
		}
	}
	j.provesItself("export-jobs/"+j.id+"/package.zip", format)
	j.toldOfTheExport()
	var about struct {
		Model struct {
			SizeBytes int64 `json:"size_bytes"`
		}
		Timing struct {
			Median float64 `json:"median_ms"`
			P95    float64 `json:"p95_ms"`
		}
	}
	if err := json.Unmarshal(j.object("export-jobs/"+j.id+"/metadata.json"), &about); err != nil {
		t.Fatal(err)
	}
	info := d.ModelInfo
	if math.Abs(float64(about.Model.SizeBytes)/(1<<20)-float64(info.ModelSizeMB)) > 0.001 {
		t.Errorf("model_info %+v, metadata.json %+v", info, about)
	}
	if format == "coreml" { // it is interpreted here: how long that takes is nobody's business
		if info.InferenceSpeedMs.Finite() || info.InferenceP95Ms != nil {
			t.Errorf("times of an interpreter: %+v", info)
		}
	} else if p95 := info.InferenceP95Ms; p95 == nil || info.InferenceSpeedMs <= 0 || *p95 < info.InferenceSpeedMs || float64(info.InferenceSpeedMs) != about.Timing.Median || float64(*p95) != about.Timing.P95 {
		t.Errorf("model_info %+v, metadata.json %+v", info, about)
	}
}

// toldOfTheExport: the callbacks have the contract's fields and no others, percentages
// never fall, and an export begins with the checkpoint and ends with the upload.
func (j *job) toldOfTheExport() {
	j.t.Helper()
	percent := contract.Number(0)
	var stages []contract.ExportStage
	for _, call := range backend.Accepted(j.calls(), contract.KindExportProgress) {
		var p contract.ExportProgress
		if err := call.Decode(&p); err != nil || p.ProgressPercent < percent || p.ProgressPercent > 100 || p.Message == "" || !slices.Contains(contract.ExportStages, p.Stage) {
			j.t.Errorf("progress %+v after %v (%v)", p, percent, err)
		}
		j.hasFields(call.Body, "message", "progress_percent", "stage", "timestamp")
		if percent = p.ProgressPercent; !slices.Contains(stages, p.Stage) {
			stages = append(stages, p.Stage)
		}
	}
	if want := []contract.ExportStage{contract.StageDownloading, contract.StageConverting, contract.StageValidating, contract.StagePackaging, contract.StageUploading}; !slices.Equal(stages, want) {
		j.t.Errorf("stages %v, want %v", stages, want)
	}
	for _, call := range backend.Accepted(j.calls(), contract.KindExportDone) {
		j.hasFields(call.Body, "error_message", "exit_code", "export_path", "metadata_path", "model_info", "package_path", "status", "timestamp", "validation_metrics")
	}
}

func (j *job) hasFields(body []byte, want ...string) {
	j.t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		j.t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(fields)); !slices.Equal(got, want) {
		j.t.Errorf("fields %v, want %v", got, want)
	}
}

// provesItself: the package that an export left passes its own selftest, with the
// interpreter that has the format's runtime.
func (j *job) provesItself(key, format string) {
	j.t.Helper()
	zip := filepath.Join(j.t.TempDir(), "package.zip")
	if err := os.WriteFile(zip, j.object(key), 0o600); err != nil {
		j.t.Fatal(err)
	}
	out, err := exec.Command(shared.agent, "inspect", zip, "--selftest", "--python", pythonOf(j.t, format)).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "selftest passed: ") || !strings.Contains(string(out), "sha256 matches") {
		j.t.Errorf("%s: %v\n%s", format, err, out)
	}
}

// pythonOf is the trainers' own Python, or that of the toolbox on top of it.
func pythonOf(t *testing.T, format string) string {
	t.Helper()
	if format != "openvino" && format != "tflite" {
		return need.Python(t)
	}
	boxes, err := filepath.Glob(filepath.Join(shared.root, ".tools", "toolboxes", format+"-*", "lib", "python3*", "site-packages", "trainer.pth"))
	if err != nil {
		t.Fatal(err)
	}
	for _, box := range boxes {
		if text, err := os.ReadFile(box); err == nil && strings.HasPrefix(string(text), need.Venv()) {
			return filepath.Join(filepath.Dir(box), "..", "..", "..", "bin", "python")
		}
	}
	t.Fatalf("no toolbox of %s stands on %s: %v", format, need.Venv(), boxes)
	return ""
}
