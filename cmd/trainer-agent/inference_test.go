package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
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
	return j.with("PYTHONPATH", filepath.Join(trainers, "sdk")+":"+filepath.Join(trainers, "vision"), "FRAMEWORK", name,
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
	Results []struct {
		ImagePath string          `json:"image_path"`
		Truth     json.RawMessage `json:"ground_truth"`
		Error     *string         `json:"error"`
	} `json:"results"`
}

func (j *job) results(prefix string) (r results) {
	j.t.Helper()
	if err := json.Unmarshal(j.object(prefix+j.id+"/results.json"), &r); err != nil {
		j.t.Fatal(err)
	}
	return r
}

// outlines is a dataset that a detector learns in twenty epochs, in YOLO's layout.
func outlines(t *testing.T) (id string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "outlines")
	code := "import sys, shutil, fixtures, pathlib; fixtures.write_yolo(pathlib.Path(sys.argv[1]), 'object_detection'); shutil.make_archive(sys.argv[1], 'zip', sys.argv[1])"
	cmd := exec.Command(need.Python(t), "-c", code, dir)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(shared.root, "trainers", "tests"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	body, err := os.ReadFile(dir + ".zip")
	if err == nil {
		err = shared.Put(contract.DatasetZipKey("outlines"), body)
	}
	if err != nil {
		t.Fatal(err)
	}
	return "outlines"
}

// A detector is trained, tested and used through the agent at its defaults: its test
// run finds what its own validation found.
func TestAModelIsTestedAndUsedAtTheDefaults(t *testing.T) {
	dataset := outlines(t)
	trained := newJob(t, "").ofTrainer("ultralytics").with("DATASET_ID", dataset, "TASK_TYPE", "object_detection", "MODEL_NAME", "yolo11n", "EPOCHS", "20",
		"IMAGE_SIZE", "96", "BATCH_SIZE", "4", "LEARNING_RATE", "0.004", "NUM_WORKERS", "0", "CONFIG_JSON", `{"mosaic": 0.0, "nbs": 4, "warmup_epochs": 1.0}`).mustExit(0).done()
	best := float64(trained.FinalMetrics["mAP50-95"])

	t.Run("test run", func(t *testing.T) {
		j := newJob(t, "").ofTrainer("ultralytics").with("INFERENCE_TYPE", "test_run", "DATASET_ID", dataset, "CHECKPOINT_PATH", *trained.CheckpointPath).mustExit(0)
		var d contract.TestRunDone
		j.final(contract.KindTestRunDone, &d)
		if got := float64(d.OverallMetrics["mAP50-95"]); d.Status != contract.StatusSucceeded || math.Abs(got-best) > 0.05 || best == 0 {
			t.Errorf("%s with mAP %v, the training's is %v", d.Status, got, best)
		}
		if len(d.PerClassMetrics) != 3 || len(d.ConfusionMatrix) != 4 || len(d.PRCurves) == 0 || d.ResultsPath == nil || d.VisualizationsPath == nil || d.XAIResultsPath != nil {
			t.Errorf("done: %+v", d)
		}
		r := j.results("test-runs/")
		if r.NumImages == 0 || r.NumFailed != 0 || len(r.Results) != r.NumImages || string(r.Results[0].Truth) == "null" {
			t.Errorf("results: %+v", r)
		}
		names := j.objects("test-runs/" + j.id + "/")
		for _, want := range []string{"results.json", "results.csv", "predictions.json", "predictions.coco.json", "report.html"} {
			if !slices.Contains(names, want) {
				t.Errorf("%s is not among %v", want, names)
			}
		}
	})
	t.Run("inference job", func(t *testing.T) {
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
		j := newJob(t, "").ofTrainer("ultralytics").with("INFERENCE_TYPE", "inference_job", "DATASET_ID", "", "IMAGE_PATHS", string(list), "CHECKPOINT_PATH", *trained.CheckpointPath).mustExit(0)
		var d contract.InferenceDone
		j.final(contract.KindInferenceDone, &d)
		if d.Status != contract.StatusSucceeded || d.ResultsPath == nil || *d.ResultsPath != contract.URI(bucket, "inference-jobs/"+j.id+"/results.json") {
			t.Errorf("done: %+v", d)
		}
		r := j.results("inference-jobs/")
		for i, image := range r.Results {
			if image.ImagePath != uris[i] || (image.Error == nil) != (i == 0) {
				t.Errorf("%d: %+v", i, image)
			}
		}
		var p contract.InferenceProgress
		calls := backend.Accepted(j.calls(), contract.KindInferenceProgress)
		if len(calls) == 0 || calls[len(calls)-1].Decode(&p) != nil || p.ProcessedImages != 4 || p.TotalImages != 4 || p.ProgressPercent != 100 || p.AvgInferenceTimeMs <= 0 {
			t.Errorf("progress: %+v", p)
		}
	})
}

// What ends a job that trains nothing has its own code, and tells whether another try helps.
func TestFailuresOfAnInferenceAreItsOwn(t *testing.T) {
	if err := shared.Put("broken/best.pt", []byte("no checkpoint")); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]contract.Code{"broken/best.pt": contract.CodeInferenceFailed, "no/such.pt": contract.CodeWeightsUnavailable} {
		j := newJob(t, "").ofTrainer("timm").with("INFERENCE_TYPE", "inference_job", "TASK_TYPE", "image_classification", "CHECKPOINT_PATH", contract.URI(bucket, key)).mustExit(1)
		var d contract.InferenceDone
		j.final(contract.KindInferenceDone, &d)
		if d.Status != contract.StatusFailed || d.Error == nil || d.Error.Code != want || d.Error.Retryable || !strings.Contains(*d.ErrorMessage, filepath.Base(key)) {
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
