package main_test

import (
	"encoding/json"
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

// shapes generates a small real dataset and puts it into the bucket.
func shapes(t *testing.T, task contract.TaskType, images string) (id string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shapes")
	out, err := exec.Command(need.Python(t), filepath.Join(shared.root, "testdata", "make_shapes.py"),
		"--task", string(task), "--out", dir, "--images", images, "--size", "128", "--zip", dir+".zip").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	body, err := os.ReadFile(dir + ".zip")
	if err != nil {
		t.Fatal(err)
	}
	id = "shapes-" + string(task) + "-" + images
	if err := shared.Put(contract.DatasetZipKey(id), body); err != nil {
		t.Fatal(err)
	}
	return id
}

// epochsHeard lists the epochs of the child's heartbeats.
func (j *job) epochsHeard() (epochs []int) {
	j.t.Helper()
	for _, c := range backend.Accepted(j.calls(), contract.KindHeartbeat) {
		var h contract.Heartbeat
		if err := c.Decode(&h); err != nil {
			j.t.Fatal(err)
		}
		if len(h.Metrics) > 0 {
			epochs = append(epochs, h.Epoch)
		}
	}
	return epochs
}

// A real YOLO11n is trained for six epochs; after the third the machine is lost.
// The same job starts again on an empty workspace and goes on where it was.
func TestUltralyticsTrainsAndResumesAfterALoss(t *testing.T) {
	j := newJob(t, "")
	j.command = []string{need.Python(t), filepath.Join(shared.root, "trainers", "ultralytics", "train.py")}
	j.with("DATASET_ID", shapes(t, contract.TaskObjectDetection, "24"), "EPOCHS", "6", "IMAGE_SIZE", "96", "BATCH_SIZE", "8",
		"NUM_WORKERS", "0", "LEARNING_RATE", "0.005").start()
	j.until("last.pt of epoch 3 is saved", savedLast(3))
	j.killAll()
	j.workspace = t.TempDir()
	j.with("WORKSPACE_DIR", j.workspace).mustExit(0)

	if got := j.epochsHeard(); !slices.Equal(slices.Compact(got), []int{1, 2, 3, 4, 5, 6}) {
		t.Errorf("heartbeats of epochs %v, want one series from 1 to 6", got)
	}
	if e := j.events(contract.EventTrainingResumed); len(e) != 1 {
		t.Errorf("%d training_resumed events", len(e))
	}
	d := j.done()
	if d.Status != contract.StatusSucceeded || !d.FinalMetrics["mAP50-95"].Finite() {
		t.Errorf("done: %+v", d)
	}
	names := j.objects("checkpoints/job-" + j.id + "/")
	for _, want := range []string{"best.pt", "last.pt", "epoch-6.pt", "manifest.json", "outputs/train/results.csv"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among %v", want, names)
		}
	}
	table := strings.TrimSpace(string(j.object(contract.CheckpointKey(j.id, "outputs/train/results.csv"))))
	if rows := strings.Count(table, "\n"); rows != 6 {
		t.Errorf("results.csv has %d rows, the history is not intact:\n%s", rows, table)
	}
	validations := backend.Accepted(j.calls(), contract.KindValidation)
	if len(validations) < 6 {
		t.Fatalf("%d validations", len(validations))
	}
	var v contract.Validation
	if err := validations[len(validations)-1].Decode(&v); err != nil {
		t.Fatal(err)
	}
	if len(v.PerClassMetrics) == 0 || v.ConfusionMatrix == nil || v.PRCurves == nil || v.ImageResultsPath == nil {
		t.Errorf("the last validation lacks parts: %+v", v)
	} else if _, key, err := contract.ParseURI(*v.ImageResultsPath); err != nil || j.object(key) == nil {
		t.Errorf("image_results_path %s leads nowhere (%v)", *v.ImageResultsPath, err)
	}
}

// savedLast is fulfilled when last.pt of an epoch, or of a later one, is up.
func savedLast(epoch int) func([]backend.Call) bool {
	return func(calls []backend.Call) bool {
		for _, e := range backend.Events(calls, contract.EventCheckpointSaved) {
			var saved contract.CheckpointSaved
			if json.Unmarshal(e.Data, &saved) == nil && saved.Epoch >= epoch && strings.HasSuffix(saved.CheckpointPath, "last.pt") {
				return true
			}
		}
		return false
	}
}
