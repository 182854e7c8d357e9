package main_test

import (
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/contract"
)

// extensions are those of the model's file or folder.
var extensions = map[string]string{"onnx": ".onnx", "torchscript": ".torchscript", "openvino": ".openvino/model.xml", "coreml": ".mlpackage/Manifest.json", "tflite": ".tflite"}

// exported: a trained model is exported at the defaults and validated on its own
// dataset: the file is as good as the original. Converters are kept from one run of the
// tests to the next.
func (k kind) exported(t *testing.T, dataset, checkpoint, format string) {
	j := newJob(t, "").ofTrainer(k.trainer).with("EXPORT_FORMAT", format, "TASK_TYPE", string(k.task), "MODEL_NAME", k.model, "DATASET_ID", "",
		"VALIDATION_DATASET_ID", dataset, "ENABLE_VALIDATION", "true", "CHECKPOINT_PATH", checkpoint,
		"EXPORT_TOOLBOX_DIR", filepath.Join(shared.root, ".tools", "toolboxes")).mustExit(0)
	var d contract.ExportDone
	j.final(contract.KindExportDone, &d)
	if d.Status != contract.StatusSucceeded || d.ExportPath == nil || d.MetadataPath == nil || d.PackagePath == nil || d.ModelInfo == nil || d.ModelInfo.InferenceSpeedMs <= 0 {
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
	percent := contract.Number(0)
	stages := map[contract.ExportStage]bool{}
	for _, call := range backend.Accepted(j.calls(), contract.KindExportProgress) {
		var p contract.ExportProgress
		if err := call.Decode(&p); err != nil || p.ProgressPercent < percent || p.ProgressPercent > 100 {
			t.Errorf("progress %+v after %v (%v)", p, percent, err)
		}
		percent, stages[p.Stage] = p.ProgressPercent, true
	}
	if !stages[contract.StageUploading] {
		t.Errorf("stages %v", stages)
	}
}
