package main_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// published is a kind of model that is trained from a dataset as other people publish it.
type published struct {
	trainer, model string
	task           contract.TaskType
	dataset        string // what writes it, in trainers/tests/fixtures.py
	metric         string
	epochs, size   string
	rate, options  string
	least          float64 // of the metric, where the training is long enough to learn something
	threshold      string  // of confidence, where it is not
}

// Masks are from runs and outlines (COCO) and from pictures of classes (save_to_disk), boxes
// from a table (parquet), rotated ones from four corners.
func TestModelsAreTrainedFromPublishedDatasets(t *testing.T) {
	for _, p := range []published{
		{"timm", "unet-test_resnet", contract.TaskSemanticSegmentation, "write_coco(root)", "mIoU", "8", "64", "0.004", "", 0.5, ""},
		{"huggingface", "segformer-b0", contract.TaskSemanticSegmentation, "write_masks_on_disk(root)", "mIoU", "8", "64", "0.001", "", 0.5, ""},
		{"huggingface", "rtdetr-tiny", contract.TaskObjectDetection, "write_parquet(root)", "mAP50-95", "2", "64", "0.002", `{"crop_scale_min": 1.0}`, 0, "0.01"},
		{"ultralytics", "yolo11n-obb", contract.TaskObjectDetection, "write_oriented(root)", "mAP50-95", "20", "96", "0.004", quickly, 0.2, ""},
	} {
		t.Run(p.trainer+" "+p.model, func(t *testing.T) {
			t.Parallel()
			p.run(t)
		})
	}
}

func (p published) run(t *testing.T) {
	dataset := drawn(t, "published-"+p.model, p.dataset)
	trained := newJob(t, "").ofTrainer(p.trainer).with("DATASET_ID", dataset, "TASK_TYPE", string(p.task), "MODEL_NAME", p.model, "EPOCHS", p.epochs,
		"IMAGE_SIZE", p.size, "BATCH_SIZE", "4", "LEARNING_RATE", p.rate, "NUM_WORKERS", "0", "CHECKPOINT_FREQUENCY", "0", "PRETRAINED", "false", "CONFIG_JSON", p.options).mustExit(0).done()
	best := float64(trained.FinalMetrics[p.metric])
	if best < p.least {
		t.Errorf("%s is %v, want %v: %v", p.metric, best, p.least, trained.FinalMetrics)
	}

	tested := newJob(t, "").ofTrainer(p.trainer).with("INFERENCE_TYPE", "test_run", "DATASET_ID", dataset, "TASK_TYPE", string(p.task),
		"CHECKPOINT_PATH", *trained.CheckpointPath, "CONFIDENCE_THRESHOLD", p.threshold).mustExit(0)
	var d contract.TestRunDone
	tested.final(contract.KindTestRunDone, &d)
	if got := float64(d.OverallMetrics[p.metric]); math.Abs(got-best) > apart || d.Status != contract.StatusSucceeded {
		t.Errorf("%s is %v, the training's own %v: %v", p.metric, got, best, d.OverallMetrics)
	}
	r := tested.results("test-runs/")
	if r.NumImages != 9 || r.NumFailed != 0 || len(d.PerClassMetrics) != 3 || len(d.ConfusionMatrix) != 4 {
		t.Fatalf("%d images, %d failed, %+v, %v", r.NumImages, r.NumFailed, d.PerClassMetrics, d.ConfusionMatrix)
	}
	p.labels(t, d)
	if !slices.ContainsFunc(r.Results, func(image result) bool { return strings.Contains(string(image.Predictions), `"class_index"`) }) {
		t.Errorf("nothing was predicted: %s", r.Results[0].Predictions)
	}

	used := newJob(t, "").ofTrainer(p.trainer).with("INFERENCE_TYPE", "inference_job", "DATASET_ID", dataset, "TASK_TYPE", string(p.task),
		"CHECKPOINT_PATH", *trained.CheckpointPath, "CONFIDENCE_THRESHOLD", p.threshold).mustExit(0)
	var done contract.InferenceDone
	used.final(contract.KindInferenceDone, &done)
	if done.Status != contract.StatusSucceeded || done.ResultsPath == nil || done.VisualizationsPath == nil {
		t.Errorf("done: %+v", done)
	}
	sameAnswers(t, r, used.results("inference-jobs/"))
}

// labels: what is labelled is what was drawn, three objects of every class, or the pixels of
// all images of 96 by 96.
func (p published) labels(t *testing.T, d contract.TestRunDone) {
	t.Helper()
	if p.task == contract.TaskSemanticSegmentation {
		var pixels int64
		for _, row := range d.ConfusionMatrix {
			for _, n := range row {
				pixels += n
			}
		}
		if pixels != 9*96*96 {
			t.Errorf("%d pixels: %v", pixels, d.ConfusionMatrix)
		}
		return
	}
	for _, class := range d.PerClassMetrics {
		if class.Support != 3 {
			t.Errorf("%+v", class)
		}
	}
}
