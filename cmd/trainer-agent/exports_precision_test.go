package main_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/contract"
)

// shades is the export of a model that tells two greys apart that are a fifth of a level
// from each other: eight bits cannot, in its first layer and its last one. The one between
// says little.
const shades = `
import numpy as np
import torch
from torch import nn
from trainer_vision.deploy import job
from trainer_vision.deploy.subject import CLASSIFY, STRETCH, Preprocess, Subject
from trainer_vision.inference import Predictor


class Shade(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.little, self.last = nn.Linear(3, 1), nn.Linear(3, 2), nn.Linear(1, 2)
        middle = 100.2 / 255
        with torch.no_grad():
            self.first.weight.fill_(1 / 3)
            self.first.bias.zero_()
            self.last.weight.copy_(torch.tensor([[-1000.0], [1000.0]]))
            self.last.bias.copy_(torch.tensor([1000 * middle, -1000 * middle]))

    def forward(self, images):
        means = images.mean((2, 3))
        shade, little = self.first(means), self.little(means)
        return self.last(shade) + 1e-6 * little


@torch.inference_mode()
def infer(batch):
    return Shade()(torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2) / 255).softmax(1).numpy()


def subject(_job, _request):
    knows = Predictor(["dark", "light"], lambda image: np.asarray(image.resize((32, 32), 2)), infer, lambda raw, *_: list(raw), task="image_classification")
    return Subject(Shade().eval(), CLASSIFY, "test", "none", knows.names, Preprocess(STRETCH, 32, 32, antialias=True), knows, sensitive=("last",))


job.export(subject)
`

// A quantised model that loses too much gets back its precision part by part; metadata.json
// lists what is float, and the backend is told of each try.
func TestAnExportRaisesItsPrecisionUntilItIsGoodEnough(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "export.py"), []byte(shades), 0o600); err != nil {
		t.Fatal(err)
	}
	for key, body := range map[string][]byte{"light/best.pt": []byte("weights"), "datasets/shades.zip": shadesOfGrey(t)} {
		if err := shared.Put(key, body); err != nil {
			t.Fatal(err)
		}
	}
	j := newJob(t, "").ofTrainer("timm")
	j.flags[1] = dir
	j.with("EXPORT_FORMAT", "onnx", "TASK_TYPE", string(contract.TaskImageClassification), "MODEL_NAME", "shade", "DATASET_ID", "", "CHECKPOINT_PATH", contract.URI(bucket, "light/best.pt"),
		"VALIDATION_DATASET_ID", "shades", "ENABLE_VALIDATION", "true", "QUANTIZATION_TYPE", "static").mustExit(0)
	var d contract.ExportDone
	j.final(contract.KindExportDone, &d)
	if m := d.ValidationMetrics; m == nil || !m.Passed || m.Accuracy != 1 || m.AccuracyDrop != 0 {
		t.Errorf("validation: %+v", m)
	}
	var about struct {
		Model struct {
			Precision string
			Float     []string `json:"float_parts"`
		}
	}
	if err := json.Unmarshal(j.object("export-jobs/"+j.id+"/metadata.json"), &about); err != nil {
		t.Fatal(err)
	}
	if want := []string{"model.last", "model.first"}; about.Model.Precision != "static int8" || !slices.Equal(about.Model.Float, want) {
		t.Errorf("%+v, want %v", about.Model, want)
	}
	var tries []string
	for _, call := range backend.Accepted(j.calls(), contract.KindExportProgress) {
		var p contract.ExportProgress
		if err := call.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if p.Stage == contract.StageOptimizing {
			tries = append(tries, p.Message)
		}
	}
	if want := []string{"Calibrating on at most 64 images of the training split", "The accuracy drops by 0.5000: 1 layers stay float", "The accuracy drops by 0.5000: 2 layers stay float"}; !slices.Equal(tries, want) {
		t.Errorf("told: %q", tries)
	}
}

// shadesOfGrey is a dataset of folders whose classes differ in how many of their pixels
// are one level lighter.
func shadesOfGrey(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for class, lighter := range map[string]int{"dark": 1, "light": 3} {
		for n := range 9 {
			level := uint8(100)
			if n == 8 { // one that is nearly white, so that 256 levels reach from black to white
				level = 250
			}
			picture := image.NewGray(image.Rect(0, 0, 32, 32))
			for i := range 32 * 32 {
				picture.SetGray(i%32, i/32, color.Gray{Y: level})
				if (i+n)%10 < lighter {
					picture.SetGray(i%32, i/32, color.Gray{Y: level + 1})
				}
			}
			f, err := w.Create(fmt.Sprintf("%s/%s/%d.png", []string{"train", "val"}[n%2], class, n))
			if err == nil {
				err = png.Encode(f, picture)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
