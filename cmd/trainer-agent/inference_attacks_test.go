package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/contract"
)

// measuring is a classifier that is always as sure of the first class, with labels.
const measuring = `
import numpy as np
from trainer_vision.inference import Predictor, predict

predict(lambda job, request: Predictor([c.name for c in job.classes()], np.asarray, len, lambda raw, sizes, measured: [np.array([0.75, 0.25])] * len(sizes)))
`

// What the design lists of each callback of a test run and an inference job is there,
// succeeded or failed, and nothing else but what the agent adds to a failure.
func TestCallbacksOfAnInferenceHaveTheFieldsOfTheDesign(t *testing.T) {
	progress := []string{"processed_images", "total_images", "progress_percent", "avg_inference_time_ms", "timestamp"}
	paths := []string{"status", "results_path", "visualizations_path", "xai_results_path", "error_message", "timestamp", "exit_code"}
	measures := append([]string{"overall_metrics", "per_class_metrics", "confusion_matrix", "pr_curves"}, paths...)
	for _, c := range []struct {
		kind   contract.Kind
		fields []string
		env    []string
	}{
		{contract.KindTestRunDone, measures, []string{"INFERENCE_TYPE", "test_run", "TASK_TYPE", "image_classification", "DATASET_ID", outlines(t, contract.TaskImageClassification)}},
		{contract.KindInferenceDone, paths, []string{"INFERENCE_TYPE", "inference_job"}},
	} {
		script := map[contract.Kind]string{contract.KindTestRunDone: strings.Replace(measuring, "0.75, 0.25", "0.7, 0.2, 0.1", 1), contract.KindInferenceDone: constant}[c.kind]
		j := newJob(t, "").light(script).with(c.env...).mustExit(0)
		hasFields(t, j, c.kind, c.fields)
		hasFields(t, j, contract.KindInferenceProgress, progress)
		failed := newJob(t, "").light("raise SystemExit('broken')").with(c.env...).mustExit(1)
		hasFields(t, failed, c.kind, append([]string{"error"}, c.fields...))
	}
}

func hasFields(t *testing.T, j *job, kind contract.Kind, fields []string) {
	t.Helper()
	calls := backend.Accepted(j.calls(), kind)
	if len(calls) == 0 {
		t.Fatalf("no %s\n%s", kind, j.stderr.String())
	}
	for _, call := range calls {
		var body map[string]json.RawMessage
		if err := json.Unmarshal(call.Body, &body); err != nil {
			t.Fatal(err)
		}
		if got, want := slices.Sorted(maps.Keys(body)), slices.Sorted(slices.Values(fields)); !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q", kind, got, want)
		}
	}
}

// slowly answers by the pixels of an image, and takes some time for it.
const slowly = `
import time
import numpy as np
from trainer_vision.inference import Objects, Predictor, predict

def decode(raw, sizes, measured):
    time.sleep(0.05)
    return [Objects(np.array([[0, 0, image[0, 0], 9]], dtype=float), np.array([0]), np.array([image[0, 0] / 255])) for image in raw]

predict(lambda job, request: Predictor(["cat", "dog"], lambda image: np.asarray(image)[..., 0], np.stack, decode))
`

// Wherever it is killed and however often, the job that goes on ends with the results of
// one that nobody disturbed.
func TestAnInferenceThatIsKilledAtAnyMomentEndsAsOneThatIsNot(t *testing.T) {
	t.Parallel()
	uris := make([]string, 400)
	for i := range uris {
		picture := image.NewGray(image.Rect(0, 0, 8, 8))
		picture.Pix[0] = byte(i)
		var body bytes.Buffer
		if err := png.Encode(&body, picture); err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprintf("in/killed/%d.png", i)
		uris[i] = contract.URI(bucket, key)
		if err := shared.Put(key, body.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	list, _ := json.Marshal(uris)
	env := []string{"INFERENCE_TYPE", "inference_job", "DATASET_ID", "", "IMAGE_PATHS", string(list), "SAVE_VISUALIZATIONS", "false"}
	started := time.Now()
	whole := newJob(t, "").light(slowly).with(env...).mustExit(0)
	length := time.Since(started)
	j := newJob(t, "").light(slowly).with(env...)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range 3 {
		j.start()
		time.Sleep(time.Duration(random.Float64() * float64(length))) // any moment is one to be killed at
		j.killAll()
		if random.IntN(2) == 0 {
			j.workspace = t.TempDir() // on another machine
			j.with("WORKSPACE_DIR", j.workspace)
		}
	}
	if len(backend.Accepted(j.calls(), contract.KindInferenceDone)) == 0 {
		j.mustExit(0)
	}
	want, got := lasting(t, whole), lasting(t, j)
	if len(want["results"].([]any)) != len(uris) || !reflect.DeepEqual(want, got) {
		t.Errorf("seed %d: %.2000v\nwant %.2000v", seed, got, want)
	}
	for _, name := range []string{"results.csv", "predictions.json", "predictions.coco.json"} {
		if a, b := whole.object("inference-jobs/"+whole.id+"/"+name), j.object("inference-jobs/"+j.id+"/"+name); len(a) == 0 || !bytes.Equal(a, b) {
			t.Errorf("seed %d: %s differs: %d and %d bytes", seed, name, len(a), len(b))
		}
	}
}

// Who stops an inference is told that what it found is kept, and the job that goes on does none of it again.
func TestAnInferenceThatIsStoppedGoesOnAfterItsResults(t *testing.T) {
	picture := image.NewGray(image.Rect(0, 0, 8, 8))
	var body bytes.Buffer
	if err := png.Encode(&body, picture); err != nil {
		t.Fatal(err)
	}
	if err := shared.Put("in/stopped.png", body.Bytes()); err != nil {
		t.Fatal(err)
	}
	list, _ := json.Marshal(slices.Repeat([]string{contract.URI(bucket, "in/stopped.png")}, 400))
	j := newJob(t, "").light(strings.Replace(slowly, "0.05", "0.2", 1)).with("INFERENCE_TYPE", "inference_job", "DATASET_ID", "", "IMAGE_PATHS", string(list), "SAVE_VISUALIZATIONS", "false").start()
	j.until("a part is whole", func(calls []backend.Call) bool { return processed(calls) > 128 })
	_ = j.cmd.Process.Signal(syscall.SIGTERM)
	if code := j.wait(); code != contract.ExitStopped {
		t.Fatalf("exit code %d\n%s", code, j.stderr.String())
	}
	var d contract.InferenceDone
	j.final(contract.KindInferenceDone, &d)
	if d.Error == nil || d.Error.Code != contract.CodeStopped || !strings.Contains(d.Error.Hint, "goes on after the results that are stored") {
		t.Errorf("%+v", d.Error)
	}
	told := len(j.calls())
	j.mustExit(0)
	if first := backend.Accepted(j.calls()[told:], contract.KindInferenceProgress)[0]; processed([]backend.Call{first}) <= 128 {
		t.Errorf("it began again: %s", first.Body)
	}
	if found := j.results("inference-jobs/").Results; len(found) != 400 {
		t.Errorf("%d results", len(found))
	}
}

// processed is how many images the last progress says are done.
func processed(calls []backend.Call) int {
	var p contract.InferenceProgress
	for _, call := range backend.Accepted(calls, contract.KindInferenceProgress) {
		_ = call.Decode(&p)
	}
	return p.ProcessedImages
}

// lasting is results.json without what no two runs have in common: names and times.
func lasting(t *testing.T, j *job) map[string]any {
	t.Helper()
	var found map[string]any
	if err := json.Unmarshal(j.object("inference-jobs/"+j.id+"/results.json"), &found); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"job_id", "generated_at", "timing"} {
		delete(found, name)
	}
	for _, record := range found["results"].([]any) {
		delete(record.(map[string]any), "inference_time_ms")
	}
	return found
}

// wholePatches is a transformer's: it refuses a picture that its patches do not fill.
const wholePatches = `
import numpy as np
from trainer_vision.inference import Predictor, predict

def infer(batch):
    raise AssertionError("Input height (97) should be divisible by patch size (16).")

predict(lambda job, request: Predictor(["cat", "dog"], np.asarray, infer, lambda raw, sizes, measured: []))
`

// What an inference is asked for that makes no sense, or little, ends as it should.
func TestOddRequestsOfAnInference(t *testing.T) {
	picture, err := os.ReadFile(filepath.Join(shared.root, "docs", "sandbox.png"))
	if err != nil {
		t.Fatal(err)
	}
	if err := shared.Put("datasets/pictures/images/a b/고양이 1.png", picture); err != nil {
		t.Fatal(err)
	}
	classes := outlines(t, contract.TaskImageClassification)
	for name, c := range map[string]struct {
		script string
		env    []string
		exit   int
		says   string // of the error message
	}{
		"no image":                   {constant, []string{"INFERENCE_TYPE", "inference_job", "DATASET_ID", "", "IMAGE_PATHS", "[]"}, 1, "IMAGE_PATHS"},
		"a threshold of 0":           {constant, []string{"INFERENCE_TYPE", "inference_job", "CONFIDENCE_THRESHOLD", "0", "IOU_THRESHOLD", "0"}, 0, ""},
		"a threshold of 1":           {constant, []string{"INFERENCE_TYPE", "inference_job", "CONFIDENCE_THRESHOLD", "1", "IOU_THRESHOLD", "1"}, 0, ""},
		"a threshold above 1":        {constant, []string{"INFERENCE_TYPE", "inference_job", "CONFIDENCE_THRESHOLD", "1.5"}, 1, "CONFIDENCE_THRESHOLD"},
		"an answer of NaN":           {strings.Replace(constant, "[0.5]", "[np.nan]", 1), []string{"INFERENCE_TYPE", "inference_job"}, 1, "images could be used; the first: the model's answer to"},
		"a size of no whole patches": {wholePatches, []string{"INFERENCE_TYPE", "inference_job", "IMAGE_SIZE", "97"}, 1, "IMAGE_SIZE 97: the model takes no images of that size: Input height (97) should be divisible by patch size (16). Without IMAGE_SIZE"},
		"pictures alone":             {constant, []string{"INFERENCE_TYPE", "inference_job", "DATASET_ID", "pictures"}, 0, ""},
		"pictures to measure":        {constant, []string{"INFERENCE_TYPE", "test_run", "DATASET_ID", "pictures"}, 1, "annotations.json"},
		"labels of other names":      {strings.Replace(measuring, "[c.name for c in job.classes()]", "['cat', 'dog']", 1), []string{"INFERENCE_TYPE", "test_run", "TASK_TYPE", "image_classification", "DATASET_ID", classes}, 1, "the checkpoint knows the classes ['cat', 'dog'], the dataset has"},
		"a split that is not there":  {measuring, []string{"INFERENCE_TYPE", "test_run", "TASK_TYPE", "image_classification", "DATASET_ID", classes, "TEST_SPLIT", "test"}, 1, "TEST_SPLIT: the split 'test' has no image"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newJob(t, "").light(c.script).with(c.env...).mustExit(c.exit)
			kind := contract.KindInferenceDone
			if c.env[1] == "test_run" {
				kind = contract.KindTestRunDone
			}
			var d contract.InferenceDone // the fields that both have
			calls := backend.Accepted(j.calls(), kind)
			if len(calls) != 1 || json.Unmarshal(calls[0].Body, &d) != nil {
				t.Fatalf("%d callbacks of the end", len(calls))
			}
			said := ""
			if d.ErrorMessage != nil {
				said = *d.ErrorMessage
			}
			if (d.Status == contract.StatusSucceeded) != (c.exit == 0) || (said == "") != (c.exit == 0) || !strings.Contains(said, c.says) {
				t.Errorf("%s: %s", d.Status, said)
			}
		})
	}
}
