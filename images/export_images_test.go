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
	if err := b.make("export-timm", "test", flags); err != nil {
		t.Fatal(err)
	}
	trained := train(t, "timm", "resnet10t", contract.TaskImageClassification).start().ends(contract.ExitOK)
	checkpoint := trained.done().CheckpointPath
	if checkpoint == nil {
		t.Fatalf("done: %+v", trained.done())
	}
	for _, format := range []string{"onnx", "torchscript", "openvino", "tflite", "coreml"} {
		t.Run(format, func(t *testing.T) {
			c := newContainer(t, imageOf("export-timm")).bind(b.site, "/opt/site-packages", "ro").shm(1024 * mib)
			c.with("EXPORT_FORMAT", format, "CHECKPOINT_PATH", *checkpoint, "MODEL_NAME", "resnet10t", "TASK_TYPE", string(contract.TaskImageClassification),
				"DATASET_ID", "", "EPOCHS", "", "FRAMEWORK", "", "PIP_INDEX_URL", "http://127.0.0.1:9/none")
			c.start().ends(contract.ExitOK)
			if names := shared.Names(t, "export-jobs/"+c.job+"/"); !slices.Contains(names, "package.zip") || !slices.Contains(names, "metadata.json") {
				t.Errorf("the bucket has %v", names)
			}
		})
	}
	if kept, err := filepath.Glob(filepath.Join(b.mount(t, imageOf("export-timm")), "opt/toolboxes/*/complete")); err != nil || len(kept) != 3 {
		t.Errorf("toolboxes: %v, %v", kept, err)
	}
}
