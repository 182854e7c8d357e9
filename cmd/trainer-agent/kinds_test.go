package main_test

import (
	"encoding/json"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// kind is a task with a model that learns it in seconds on a processor.
type kind struct {
	trainer, model string
	task           contract.TaskType
	metric         string
	epochs, size   string
	rate, options  string
	method         string // of explanation
	geometry       string // what a prediction has beside its class
	threshold      string // of confidence, where a model that has hardly trained is not sure of anything
	format         string // of an export; each that runs here comes once at least
}

var kinds = []kind{
	{"ultralytics", "yolo11n", contract.TaskObjectDetection, "mAP50-95", "20", "96", "0.004", quickly, "gradcam", `"bbox"`, "", "tflite"},
	{"ultralytics", "yolo11n-seg", contract.TaskInstanceSegmentation, "mAP50-95(M)", "20", "96", "0.004", quickly, "gradcam", `"segmentation"`, "", "onnx"},
	{"ultralytics", "yolo11n-pose", contract.TaskPoseEstimation, "mAP50-95(P)", "20", "96", "0.004", quickly, "gradcam", `"keypoints"`, "0.02", "coreml"},
	{"ultralytics", "yolo11n-cls", contract.TaskImageClassification, "accuracy", "6", "64", "0.002", "", "gradcam", `"top5"`, "", "torchscript"},
	{"timm", "test_vit", contract.TaskImageClassification, "accuracy", "8", "32", "0.002", "", "attention", `"top5"`, "", "onnx"},
	{"huggingface", "clip-vit-tiny-patch16", contract.TaskZeroShotClassification, "accuracy", "6", "32", "0.001", "", "attention", `"top5"`, "", "onnx"},
	{"huggingface", "vit-tiny-patch16-224", contract.TaskImageClassification, "accuracy", "6", "32", "0.001", "", "attention", `"top5"`, "", "openvino"},
}

// quickly has as many steps as a small dataset can have.
const quickly = `{"mosaic": 0.0, "nbs": 4, "warmup_epochs": 1.0}`

// apart is how far two measures of eight images may be: Ultralytics' validation puts
// margins around them that its prediction does not, and its masks are coarser.
const apart = 0.1

// Every kind of model is trained, tested, used and explained through the agent at its
// defaults: its test run finds what its own validation found, with the framework's own
// metrics, its inference job finds what the test run found, and its exports say the same.
func TestEveryKindOfModelIsTestedUsedAndExplained(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.trainer+" "+string(k.task), func(t *testing.T) {
			t.Parallel()
			k.run(t, outlines(t, k.task))
		})
	}
}

func (k kind) run(t *testing.T, dataset string) {
	trained := newJob(t, "").ofTrainer(k.trainer).with("DATASET_ID", dataset, "TASK_TYPE", string(k.task), "MODEL_NAME", k.model, "EPOCHS", k.epochs,
		"IMAGE_SIZE", k.size, "BATCH_SIZE", "4", "LEARNING_RATE", k.rate, "NUM_WORKERS", "0", "CHECKPOINT_FREQUENCY", "0", "CONFIG_JSON", k.options).mustExit(0).done()
	best := float64(trained.FinalMetrics[k.metric])

	tested := newJob(t, "").ofTrainer(k.trainer).with("INFERENCE_TYPE", "test_run", "DATASET_ID", dataset, "TASK_TYPE", string(k.task),
		"CHECKPOINT_PATH", *trained.CheckpointPath, "CONFIDENCE_THRESHOLD", k.threshold).mustExit(0)
	var d contract.TestRunDone
	tested.final(contract.KindTestRunDone, &d)
	if got := float64(d.OverallMetrics[k.metric]); math.Abs(got-best) > apart || best < 0.2 {
		t.Errorf("%s is %v, the training's own %v: %v", k.metric, got, best, d.OverallMetrics)
	}
	background := 1
	if classifies(k.task) {
		background = 0
	}
	if d.Status != contract.StatusSucceeded || len(d.PerClassMetrics) != 3 || len(d.ConfusionMatrix) != 3+background || len(d.PRCurves) == 0 ||
		d.ResultsPath == nil || d.VisualizationsPath == nil || d.XAIResultsPath != nil {
		t.Errorf("done: %+v", d)
	}
	measured := tested.results("test-runs/")
	k.wholeResults(t, tested, "test-runs/"+tested.id+"/", measured)
	if string(measured.Results[0].Truth) == "null" {
		t.Error("the labels are not beside the predictions")
	}

	if k.trainer == contract.FrameworkTimm {
		k.testSet(t, *trained.CheckpointPath, d.OverallMetrics)
	}

	used := newJob(t, "").ofTrainer(k.trainer).with("INFERENCE_TYPE", "inference_job", "DATASET_ID", dataset, "TASK_TYPE", string(k.task),
		"CHECKPOINT_PATH", *trained.CheckpointPath, "CONFIDENCE_THRESHOLD", k.threshold, "ENABLE_XAI", "true", "XAI_METHOD", k.method).mustExit(0)
	var done contract.InferenceDone
	used.final(contract.KindInferenceDone, &done)
	if done.Status != contract.StatusSucceeded || done.ResultsPath == nil || done.VisualizationsPath == nil || done.XAIResultsPath == nil {
		t.Errorf("done: %+v", done)
	}
	found := used.results("inference-jobs/")
	k.wholeResults(t, used, "inference-jobs/"+used.id+"/", found)
	k.explained(t, used, found)
	sameAnswers(t, measured, found)

	k.exported(t, dataset, *trained.CheckpointPath, k.format)
}

// testSet: the images of the validation alone, all for testing, are measured whole and
// alike.
func (k kind) testSet(t *testing.T, checkpoint string, want contract.Metrics) {
	t.Helper()
	dataset := drawn(t, "test-set", "write_imagefolder(root); shutil.rmtree(root / 'train'); (root / 'val').rename(root / 'test')")
	j := newJob(t, "").ofTrainer(k.trainer).with("INFERENCE_TYPE", "test_run", "DATASET_ID", dataset, "TASK_TYPE", string(k.task), "CHECKPOINT_PATH", checkpoint,
		"TEST_SPLIT", "test").mustExit(0)
	var d contract.TestRunDone
	j.final(contract.KindTestRunDone, &d)
	if n := j.results("test-runs/").NumImages; n != 9 || d.OverallMetrics[k.metric] != want[k.metric] {
		t.Errorf("%d images, %v, of the split %v", n, d.OverallMetrics, want)
	}
}

// wholeResults: every image has a record with predictions of the kind, a drawing, and
// the files that a job of the kind leaves.
func (k kind) wholeResults(t *testing.T, j *job, prefix string, r results) {
	t.Helper()
	if r.NumImages == 0 || r.NumFailed != 0 || len(r.Results) != r.NumImages || len(r.Classes) != 3 {
		t.Fatalf("%d of %d images failed, %d records, classes %+v", r.NumFailed, r.NumImages, len(r.Results), r.Classes)
	}
	if !slices.ContainsFunc(r.Results, func(i result) bool { return strings.Contains(string(i.Predictions), k.geometry) }) {
		t.Errorf("no prediction has %s: %s", k.geometry, r.Results[0].Predictions)
	}
	names := j.objects(prefix)
	want := []string{"results.json", "results.csv", "report.html", "contact-sheet.jpg"}
	if !classifies(k.task) {
		want = append(want, "predictions.json", "predictions.coco.json")
	}
	for _, name := range want {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not among %v", name, names)
		}
	}
	if drawn := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, "visualizations/") }); len(drawn) != r.NumImages {
		t.Errorf("%d drawings of %d images", len(drawn), r.NumImages)
	}
}

// explained: every class and the three surest boxes of every image have a heat map,
// which is in the bucket, and say how faithful it is.
func (k kind) explained(t *testing.T, j *job, r results) {
	t.Helper()
	names := j.objects("inference-jobs/" + j.id + "/")
	explanations := 0
	for _, image := range r.Results {
		var found struct {
			Boxes *[]json.RawMessage `json:"boxes"`
		}
		if err := json.Unmarshal(image.Predictions, &found); err != nil {
			t.Fatal(err)
		}
		want := 1
		if found.Boxes != nil {
			want = min(3, len(*found.Boxes))
		}
		if len(image.XAI) != want {
			t.Errorf("%s: %d explanations, want %d", image.ImagePath, len(image.XAI), want)
		}
		for _, e := range image.XAI {
			explanations++
			if e.Method != k.method || !slices.Contains(names, e.Heatmap) || !slices.Contains(names, e.Overlay) || e.Faithfulness["deletion"] == nil {
				t.Errorf("%s: %+v", image.ImagePath, e)
			}
		}
	}
	if explanations == 0 {
		t.Error("nothing was found, and nothing explained")
	}
}

// sameAnswers: an inference job of the dataset gives what the test run gave, image by
// image; it has the images of all splits.
func sameAnswers(t *testing.T, measured, found results) {
	t.Helper()
	answers := map[string]string{}
	for _, image := range found.Results {
		answers[answer(image)] = image.ImagePath
	}
	for _, image := range measured.Results {
		if answers[answer(image)] == "" {
			t.Errorf("%s has other predictions in the inference job: %s", image.ImagePath, image.Predictions)
		}
	}
	if found.NumImages <= measured.NumImages {
		t.Errorf("%d images in the dataset, %d in its split", found.NumImages, measured.NumImages)
	}
}

// maskPath is numbered by the place of its image in the job.
var maskPath = regexp.MustCompile(`"mask_path": "[^"]*"`)

func answer(image result) string {
	return filepath.Base(image.ImagePath) + maskPath.ReplaceAllString(string(image.Predictions), "")
}
