//go:build export_images

// Apart from the other tests for its weight: the converters are 1.2 GB from PyPI, and minutes.

package images

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// exported are the trainers with a model that one epoch is enough for, and the formats
// that each is tried with: the first with all, the others with one of each toolbox.
var exported = []struct {
	trainer, model string
	task           contract.TaskType
	formats        []string
}{
	{"timm", "resnet10t", contract.TaskImageClassification, []string{"onnx", "torchscript", "openvino", "tflite", "coreml"}},
	{"ultralytics", "yolo11n-cls", contract.TaskImageClassification, []string{"openvino", "tflite", "coreml"}},
	{"huggingface", "vit-tiny-patch16-224", contract.TaskImageClassification, []string{"openvino", "tflite", "coreml"}},
}

// An image export-* has the converters of every format: a job of its container, which
// cannot reach a package index, leaves a package of each.
func TestTheExportImageConvertsWithoutAnIndex(t *testing.T) {
	b := images(t)
	flags := b.packages()
	for _, path := range []string{"/etc/ssl/certs", "/etc/pip.conf"} { // a proxy on the way to the index has a certificate that this machine knows
		if _, err := os.Stat(path); err == nil {
			flags += " -v " + path + ":" + path + ":ro"
		}
	}
	for _, e := range exported {
		t.Run(e.trainer, func(t *testing.T) {
			name := "export-" + e.trainer
			if err := b.make(name, "test", flags); err != nil {
				t.Fatal(err)
			}
			trained := train(t, e.trainer, e.model, e.task).start().ends(contract.ExitOK)
			checkpoint := trained.done().CheckpointPath
			if checkpoint == nil {
				t.Fatalf("done: %+v", trained.done())
			}
			for _, format := range e.formats {
				t.Run(format, func(t *testing.T) {
					c := newContainer(t, imageOf(name)).bind(b.site, "/opt/site-packages", "ro").shm(1024 * mib)
					c.with("EXPORT_FORMAT", format, "CHECKPOINT_PATH", *checkpoint, "MODEL_NAME", e.model, "TASK_TYPE", string(e.task),
						"DATASET_ID", "", "EPOCHS", "", "FRAMEWORK", "", "PIP_INDEX_URL", "http://127.0.0.1:9/none")
					c.start().ends(contract.ExitOK)
					if names := shared.Names(t, "export-jobs/"+c.job+"/"); !slices.Contains(names, "package.zip") || !slices.Contains(names, "metadata.json") {
						t.Errorf("the bucket has %v", names)
					}
				})
			}
			if kept, err := filepath.Glob(filepath.Join(b.mount(t, imageOf(name)), "opt/toolboxes/*/complete")); err != nil || len(kept) != 3 {
				t.Errorf("toolboxes: %v, %v", kept, err)
			}
		})
	}
}
