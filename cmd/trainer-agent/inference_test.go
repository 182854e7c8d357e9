package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// ofTrainer makes the job one of a trainer of this tree: which script is run is the
// agent's choice, and so are all settings that the job does not have.
func (j *job) ofTrainer(name string) *job {
	j.t.Helper()
	trainers := filepath.Join(shared.root, "trainers")
	j.command = []string{}
	j.flags = []string{"--trainer", filepath.Join(trainers, name), "--python", need.Python(j.t)}
	// A small model gains nothing from a second thread, and a second test runs beside this one.
	return j.with("OMP_NUM_THREADS", "1", "PYTHONPATH", filepath.Join(trainers, "sdk")+":"+filepath.Join(trainers, "vision"), "FRAMEWORK", name,
		"EPOCHS", "", "MODEL_NAME", "", "BATCH_SIZE", "", "IMAGE_SIZE", "", "LEARNING_RATE", "", "NUM_WORKERS", "")
}

// results is results.json of a test run or inference job, as far as it is looked at here.
type results struct {
	NumImages int `json:"num_images"`
	NumFailed int `json:"num_failed"`
	Classes   []struct {
		ID    int `json:"class_id"`
		Index int `json:"class_index"`
	} `json:"classes"`
	Results []result `json:"results"`
}

// result is one image's record.
type result struct {
	ImagePath   string          `json:"image_path"`
	ImageID     json.RawMessage `json:"image_id"`
	Predictions json.RawMessage `json:"predictions"`
	Truth       json.RawMessage `json:"ground_truth"`
	Error       *string         `json:"error"`
	XAI         []struct {
		Method       string         `json:"method"`
		Heatmap      string         `json:"heatmap_path"`
		Overlay      string         `json:"overlay_path"`
		Faithfulness map[string]any `json:"faithfulness"`
	} `json:"xai"`
}

func (j *job) results(prefix string) (r results) {
	j.t.Helper()
	if err := json.Unmarshal(j.object(prefix+j.id+"/results.json"), &r); err != nil {
		j.t.Fatal(err)
	}
	return r
}

// outlines is a dataset that a model learns in twenty epochs, in YOLO's layout or as
// folders of classes.
func outlines(t *testing.T, task contract.TaskType) (id string) {
	t.Helper()
	code := fmt.Sprintf("write_yolo(root, %q)", task)
	if classifies(task) {
		code = "write_imagefolder(root)"
	}
	return drawn(t, "outlines-"+string(task), code)
}

// classifies: an image has one class.
func classifies(task contract.TaskType) bool { return task.PrimaryMetric() == "accuracy" }

// drawn puts a dataset that trainers/tests/fixtures.py writes below `root` into the bucket,
// without the classes.json of a prepared one.
func drawn(t *testing.T, id, code string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), id)
	code = "import sys, shutil, pathlib; from fixtures import *; root = pathlib.Path(sys.argv[1]); " + code +
		"; (root / 'classes.json').unlink(missing_ok=True); shutil.make_archive(sys.argv[1], 'zip', sys.argv[1])"
	cmd := exec.Command(need.Python(t), "-c", code, dir)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(shared.root, "trainers", "tests"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	body, err := os.ReadFile(dir + ".zip")
	if err == nil {
		err = shared.Put(contract.DatasetZipKey(id), body)
	}
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// An image that cannot be used is a record with its reason, in the order of IMAGE_PATHS.
func TestAnInferenceNamesWhatItCouldNotUse(t *testing.T) {
	picture, err := os.ReadFile(filepath.Join(shared.root, "docs", "sandbox.png"))
	if err != nil {
		t.Fatal(err)
	}
	for key, body := range map[string][]byte{"in/good.png": picture, "in/broken.png": []byte("no image")} {
		if err := shared.Put(key, body); err != nil {
			t.Fatal(err)
		}
	}
	uris := []string{contract.URI(bucket, "in/good.png"), contract.URI(bucket, "in/broken.png"), contract.URI(bucket, "in/missing.png"), "no-address"}
	list, _ := json.Marshal(uris)
	j := newJob(t, "").light(constant).with("INFERENCE_TYPE", "inference_job", "DATASET_ID", "", "IMAGE_PATHS", string(list)).mustExit(0)
	var d contract.InferenceDone
	j.final(contract.KindInferenceDone, &d)
	if d.Status != contract.StatusSucceeded || d.ResultsPath == nil || *d.ResultsPath != contract.URI(bucket, "inference-jobs/"+j.id+"/results.json") {
		t.Errorf("done: %+v", d)
	}
	for i, image := range j.results("inference-jobs/").Results {
		if image.ImagePath != uris[i] || (image.Error == nil) != (i == 0) {
			t.Errorf("%d: %+v", i, image)
		}
	}
	var p contract.InferenceProgress
	calls := backend.Accepted(j.calls(), contract.KindInferenceProgress)
	if len(calls) == 0 || calls[len(calls)-1].Decode(&p) != nil || p.ProcessedImages != 4 || p.TotalImages != 4 || p.ProgressPercent != 100 || p.AvgInferenceTimeMs <= 0 {
		t.Errorf("progress: %+v", p)
	}
}

// What ends a job that trains nothing has its own code, and tells whether another try helps.
func TestFailuresOfAnInferenceAreItsOwn(t *testing.T) {
	t.Parallel()
	if err := shared.Put("broken/best.pt", []byte("no checkpoint")); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]contract.Code{"broken/best.pt": contract.CodeInferenceFailed, "no/such.pt": contract.CodeWeightsUnavailable} {
		j := newJob(t, "").ofTrainer("timm").with("INFERENCE_TYPE", "inference_job", "TASK_TYPE", "image_classification", "CHECKPOINT_PATH", contract.URI(bucket, key)).mustExit(1)
		var d contract.InferenceDone
		j.final(contract.KindInferenceDone, &d)
		if d.Status != contract.StatusFailed || d.Error == nil || d.Error.Code != want || d.Error.Retryable || !strings.Contains(*d.ErrorMessage, filepath.Base(key)) || strings.Contains(*d.ErrorMessage, "weights_only") {
			t.Errorf("%s: %+v %+v", key, d, d.Error)
		}
	}
	j := newJob(t, "").ofTrainer("../testdata").with("JOB_TYPE", "inference", "INFERENCE_TYPE", "inference_job", "CHECKPOINT_PATH", contract.URI(bucket, "broken/best.pt")).mustExit(1)
	var d contract.InferenceDone
	j.final(contract.KindInferenceDone, &d)
	if d.Error == nil || d.Error.Code != contract.CodeConfigInvalid || !strings.Contains(d.Error.Message, "has no predict.py") {
		t.Errorf("a trainer without predict.py: %+v", d.Error)
	}
}

// What a try has trained is measured and used at the same desk.
func TestATryIsTestedUsedAndExplained(t *testing.T) {
	t.Parallel()
	dir, py := newPackage(t, "plain"), need.Python(t)
	agentAt(t, dir, []string{"EPOCHS=3"}, 0, "try", "--python", py)
	out := agentAt(t, dir, nil, 0, "try", "--python", py, "--test-run")
	if !strings.Contains(out, "results: workspace/run-1/bucket/test-runs/try-run-2, begin with report.html or contact-sheet.jpg") {
		t.Errorf("%s", out)
	}
	agentAt(t, dir, []string{"ENABLE_XAI=true", "XAI_METHOD=shap"}, 0, "try", "--python", py, "--predict", filepath.Join(dir, "sample", "images"))
	results := filepath.Join(dir, "workspace", "run-1", "bucket", "inference-jobs", "try-run-3")
	for _, name := range []string{"results.json", "results.csv", "report.html", "contact-sheet.jpg", "visualizations", "xai"} {
		if _, err := os.Stat(filepath.Join(results, name)); err != nil {
			t.Error(err)
		}
	}
	answered := `{"choices": [{"message": {"content": "{\"summary\": \"A disc.\", \"key_factors\": [], \"confidence_reasoning\": \"Sure.\", \"alternative_considerations\": \"None.\"}"}}], "usage": {"prompt_tokens": 9, "completion_tokens": 9}}`
	keys := make(chan string, 100)
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys <- r.URL.Path + " " + r.Header.Get("Authorization")
		_, _ = io.WriteString(w, answered)
	}))
	defer model.Close()
	agentAt(t, dir, []string{
		"ENABLE_XAI=true", "XAI_METHOD=lime", "ENABLE_LLM_EXPLANATION=true", "OPENAI_API_KEY=sk-real", "OPENAI_BASE_URL=" + model.URL + "/v1",
	}, 0, "try", "--python", py, "--predict", filepath.Join(dir, "sample", "images"))
	body, err := os.ReadFile(filepath.Join(dir, "workspace", "run-1", "bucket", "inference-jobs", "try-run-4", "results.json"))
	if err != nil || !strings.Contains(string(body), `"summary": "A disc."`) || strings.Contains(string(body), "sk-real") {
		t.Errorf("%v: %.2000s", err, body)
	}
	if got := <-keys; got != "/v1/chat/completions Bearer sk-real" {
		t.Errorf("asked with %q", got)
	}
	out = agentAt(t, dir, nil, 0, "try", "--python", py, "--export", "onnx")
	if !strings.Contains(out, "results: workspace/run-1/bucket/export-jobs/try-run-5, begin with metadata.json or package.zip") {
		t.Errorf("%s", out)
	}
	other := newPackage(t, "plain")
	if out := agentAt(t, other, nil, 1, "try", "--python", py, "--test-run"); !strings.Contains(out, "has left a checkpoint: train first") {
		t.Errorf("%s", out)
	}
}

// waiting is a trainer whose model stops in the middle of its second part, in the first life.
const waiting = `
import json, os, pathlib, time
import numpy as np
from trainer_sdk.inference import InferenceRequest
from trainer_vision.inference import Predictor, predict

first = not pathlib.Path(os.environ["OUTPUT_DIR"], "parts").exists()
seen = 0

def infer(batch):
    global seen
    seen += len(batch)
    while first and seen > 128:
        time.sleep(0.05)
    print("inferred", seen, flush=True)
    return np.stack(batch)

predict(lambda job, request: Predictor(["a", "b"], np.asarray, infer, lambda raw, sizes, measured: [np.array([0.25, 0.75])] * len(sizes)))
`

// A job that is killed goes on behind its last whole part, on another machine too.
func TestAKilledInferenceGoesOnOnAnotherMachine(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "predict.py"), []byte(waiting), 0o600); err != nil {
		t.Fatal(err)
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	uris := make([]string, 140)
	for i := range uris {
		key := fmt.Sprintf("in/many/%d.png", i)
		uris[i] = contract.URI(bucket, key)
		if err := shared.Put(key, picture.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	if err := shared.Put("broken/best.pt", []byte("no checkpoint")); err != nil {
		t.Fatal(err)
	}
	list, _ := json.Marshal(uris)
	j := newJob(t, "").ofTrainer("timm")
	j.flags[1] = dir
	j.with("INFERENCE_TYPE", "inference_job", "TASK_TYPE", "image_classification", "DATASET_ID", "", "IMAGE_PATHS", string(list),
		"CHECKPOINT_PATH", contract.URI(bucket, "broken/best.pt"), "SAVE_VISUALIZATIONS", "false").start()
	for deadline := time.Now().Add(patience); len(j.objects("inference-jobs/"+j.id+"/parts/")) == 0; {
		if time.Now().After(deadline) {
			t.Fatalf("no part in the bucket\n%s", j.stderr.String())
		}
		time.Sleep(50 * time.Millisecond)
	}
	j.killAll()
	j.workspace = t.TempDir()
	j.with("WORKSPACE_DIR", j.workspace).mustExit(0)
	if out := j.stdout.String(); !strings.Contains(out, "inferred 12\n") || strings.Contains(out, "inferred 13") {
		t.Errorf("%s", out)
	}
	r := j.results("inference-jobs/")
	for i, image := range r.Results {
		if image.ImagePath != uris[i] || image.Error != nil {
			t.Errorf("%d: %+v", i, image)
		}
	}
	if len(r.Results) != len(uris) || len(j.objects("inference-jobs/"+j.id+"/parts/")) > 0 {
		t.Errorf("%d results, parts %q", len(r.Results), j.objects("inference-jobs/"+j.id+"/parts/"))
	}
}

// light is a predictor without a framework: what it is asked for is told by its script.
func (j *job) light(script string) *job {
	j.t.Helper()
	dir := j.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "predict.py"), []byte(script), 0o600); err != nil {
		j.t.Fatal(err)
	}
	if err := shared.Put("light/best.pt", []byte("weights")); err != nil {
		j.t.Fatal(err)
	}
	j.ofTrainer("timm").flags[1] = dir
	return j.with("CHECKPOINT_PATH", contract.URI(bucket, "light/best.pt"))
}

const constant = `
import numpy as np
from trainer_vision.inference import Objects, Predictor, predict

one = Objects(np.array([[1.0, 2.0, 30.0, 40.0]]), np.array([0]), np.array([0.5]))
predict(lambda job, request: Predictor(["cat", "dog"], np.asarray, np.stack, lambda raw, sizes, measured: [one] * len(sizes)))
`

// An inference job of a dataset is about the images that its snapshot names.
func TestAnInferenceOfADatasetTakesWhatItsSnapshotNames(t *testing.T) {
	frozen := `{"images": [{"id": 70, "file_name": "img3.png"}, {"id": "x", "file_name": "img1.png"}, {"id": 72, "file_name": "gone.png"}], "classes": [{"id": 0, "name": "cat"}]}`
	if err := shared.Put(contract.SnapshotKey("tiny", "frozen"), []byte(frozen)); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, "").light(constant).with("INFERENCE_TYPE", "inference_job", "SNAPSHOT_ID", "frozen").mustExit(0)
	var seen []string
	for _, image := range j.results("inference-jobs/").Results {
		line := image.ImagePath + " " + string(image.ImageID)
		if image.Error != nil {
			line += " " + *image.Error
		}
		seen = append(seen, line)
	}
	if want := []string{"img3.png 70", `img1.png "x"`, "gone.png 72 gone.png is not in the dataset"}; !slices.Equal(seen, want) {
		t.Errorf("%q, want %q", seen, want)
	}
}

// A script that leaves files and says nothing has measured nothing.
func TestATestRunThatReportsNoMetricsHasFailed(t *testing.T) {
	j := newJob(t, "").light("import os, pathlib\npathlib.Path(os.environ['OUTPUT_DIR'], 'results.json').write_text('{}')\n").with("INFERENCE_TYPE", "test_run").mustExit(1)
	var d contract.TestRunDone
	j.final(contract.KindTestRunDone, &d)
	if d.Status != contract.StatusFailed || d.Error == nil || d.Error.Code != contract.CodeInferenceFailed || !strings.Contains(d.Error.Message, "no metrics") {
		body, _ := json.Marshal(d)
		t.Errorf("%s", body)
	}
}

// How far it is, is a bar on a terminal.
func TestPersonSeesHowFarAnInferenceIs(t *testing.T) {
	picture, err := os.ReadFile(filepath.Join(shared.root, "docs", "sandbox.png"))
	if err == nil {
		err = shared.Put("in/good.png", picture)
	}
	if err != nil {
		t.Fatal(err)
	}
	list, _ := json.Marshal(slices.Repeat([]string{contract.URI(bucket, "in/good.png")}, 40))
	j := newJob(t, "").light(strings.Replace(slowly, "0.05", "0.5", 1)).with("INFERENCE_TYPE", "inference_job", "DATASET_ID", "", "IMAGE_PATHS", string(list), "BATCH_SIZE", "4")
	p := j.sits(90, 40, append([]string{"run"}, j.flags...)...)
	p.sees("inference ━", "0%  ", " s left")
	if code := p.leaves(); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, p.screen())
	}
	if seen := p.screen(); !strings.Contains(seen, "✓ succeeded") || !strings.Contains(seen, "contact-sheet.jpg") {
		t.Errorf("%s", seen)
	}
	p.clean()
}
