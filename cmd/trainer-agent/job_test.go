package main_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/contract"
)

// patience bounds waits for events; nothing depends on its length.
const patience = 240 * time.Second

func TestJobFromEnvironmentToDone(t *testing.T) {
	j := newJob(t, "ok").with("SNAPSHOT_ID", "frozen-1").mustExit(0)
	for _, e := range backend.Events(j.calls(), contract.EventCheckpointSaved) {
		if !strings.Contains(string(e.Data), `"snapshot_id":"frozen-1"`) {
			t.Errorf("an event without its snapshot: %s", e.Data)
		}
	}
	d := j.done()
	if d.Status != contract.StatusSucceeded || d.ErrorMessage != nil || *d.ExitCode != 0 || d.FinalMetrics["accuracy"] != 0.9 {
		t.Errorf("done: %+v", d)
	}
	want := contract.URI(bucket, contract.CheckpointKey(j.id, "best.pt"))
	if d.CheckpointPath == nil || *d.CheckpointPath != want {
		t.Errorf("checkpoint_path %v, want %s", d.CheckpointPath, want)
	}
	if got := j.objects("checkpoints/job-" + j.id + "/"); !slices.Equal(got, []string{"best.pt", "epoch-1.pt", "epoch-2.pt", "epoch-3.pt", "last.pt", "manifest.json"}) {
		t.Errorf("checkpoints: %v", got)
	}
	var epochs []int
	for _, c := range backend.Accepted(j.calls(), contract.KindHeartbeat) {
		var h contract.Heartbeat
		if err := c.Decode(&h); err != nil {
			t.Fatal(err)
		}
		epochs = append(epochs, h.Epoch)
		if h.System == nil || h.System.Disk == nil {
			t.Error("a heartbeat without system figures")
		}
		if c.Header.Get("X-Trace-ID") == "" || c.Key == "" {
			t.Errorf("headers: %v", c.Header)
		}
	}
	if !slices.Equal(epochs, []int{1, 2, 3}) {
		t.Errorf("heartbeats of epochs %v", epochs)
	}
	for _, event := range []contract.EventType{"agent_started", "dataset_downloaded", "dataset_prepared", "training_started", "checkpoint_saved", "training_finished"} {
		if len(j.events(event)) == 0 {
			t.Errorf("no %s event", event)
		}
	}
	if log := string(j.object(contract.TrainingLogKey(j.id))); !strings.Contains(log, "epoch 3/3") {
		t.Errorf("training.log: %q", log)
	}
	var stored contract.Result
	if err := json.Unmarshal(j.object(contract.ResultKey(j.id)), &stored); err != nil || stored.Status != contract.StatusSucceeded {
		t.Errorf("result.json: %v %+v", err, stored)
	}
	if !strings.Contains(j.stdout.String(), "epoch 1/3 loss 1.0\n") {
		t.Errorf("the child's output is not passed through: %q", j.stdout.String())
	}
}

// seen is what the scenario "dumps" leaves in OUTPUT_DIR.
type seen struct {
	Env     map[string]string
	Argv    []string
	Files   []string
	UID     int
	Handles []string // what its descriptors are of
}

func (j *job) seen() (s seen) {
	j.t.Helper()
	b, err := os.ReadFile(filepath.Join(j.workspace, "runs", "seen.json"))
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		j.t.Fatal(err)
	}
	return s
}

func TestChildGetsItsSettingsAndNoCredential(t *testing.T) {
	j := newJob(t, "dumps", "--job-id", "$(JOB_ID)", "--dataset-s3-uri", "$(DATASET_URI)", "$$(JOB_ID)", "$(date)")
	left := filepath.Join(t.TempDir(), "left-open")
	if err := os.WriteFile(left, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	j.prefix = []string{"sh", "-c", `exec 7< "$0" && exec "$@"`, left} // as who starts agents may
	j.with("AWS_SESSION_TOKEN_FILE", "", "OPENAI_API_KEY", "sk-user-secret", "AWS_PROFILE", "x", "MY_OWN", "kept", "NO_PROXY", "corp.example.com", "HTTP_PROXY", "http://127.0.0.1:1", "IMAGE_SIZE", "224", "CONFIG_JSON", `{"mosaic":0.5}`).mustExit(0)
	s := j.seen()
	for name, want := range map[string]string{
		"JOB_ID": j.id, "EPOCHS": "3", "BATCH_SIZE": "16", "LEARNING_RATE": "", "IMAGE_SIZE": "224", "NUM_CLASSES": "2", "CLASS_NAMES": `["cat","dog"]`,
		"DATASET_FORMAT": "yolo", "PYTHONUNBUFFERED": "1", "MY_OWN": "kept", "NO_PROXY": "corp.example.com,127.0.0.1,localhost", "OUTPUT_DIR": filepath.Join(j.workspace, "runs"),
		"CHECKPOINT_DIR": filepath.Join(j.workspace, "runs", "checkpoints"), "DATASET_URI": "file://" + s.Env["DATASET_DIR"],
	} {
		if s.Env[name] != want {
			t.Errorf("%s=%q, want %q", name, s.Env[name], want)
		}
	}
	for name, value := range s.Env {
		if value == token || value == shared.Store.SecretKey || value == shared.Store.AccessKey || value == "sk-user-secret" || name == "AWS_PROFILE" ||
			name == "S3_ENDPOINT" || name == "BUCKET_NAME" || strings.HasPrefix(name, "AGENT_") {
			t.Errorf("the child sees %s", name)
		}
	}
	if s.Env["BACKEND_BASE_URL"] == shared.URL || !strings.HasPrefix(s.Env["BACKEND_BASE_URL"], "http://127.0.0.1:") {
		t.Errorf("BACKEND_BASE_URL=%s", s.Env["BACKEND_BASE_URL"])
	}
	if want := []string{"--job-id", j.id, "--dataset-s3-uri", "file://" + s.Env["DATASET_DIR"], "$(JOB_ID)", "$(date)"}; !slices.Equal(s.Argv, want) {
		t.Errorf("argv %q, want %q", s.Argv, want)
	}
	var settings map[string]any
	if err := json.Unmarshal([]byte(s.Env["CONFIG_JSON"]), &settings); err != nil || settings["epochs"] != 3.0 || settings["config"].(map[string]any)["mosaic"] != 0.5 {
		t.Errorf("CONFIG_JSON=%s", s.Env["CONFIG_JSON"])
	}
	if slices.Contains(s.Handles, left) || runtime.GOOS == "linux" && len(s.Handles) < 3 {
		t.Errorf("the child has open %q", s.Handles)
	}
	if !slices.Contains(s.Files, "data.yaml") || !slices.Contains(s.Files, "classes.json") {
		t.Errorf("prepared files: %v", s.Files)
	}
	if log := j.stderr.String() + j.stdout.String(); strings.Contains(log, token) || strings.Contains(log, shared.Store.SecretKey) {
		t.Error("a secret is in the log")
	}
}

func TestACommandThatAsksForNoVariableIsRefused(t *testing.T) {
	j := newJob(t, "quick", "--epochs", "$(EPOCH)").mustExit(1)
	if d := j.done(); d.Error == nil || d.Error.Code != contract.CodeConfigInvalid || !strings.Contains(*d.ErrorMessage, "asks for $(EPOCH)") || !strings.Contains(*d.ErrorMessage, "Did you mean $(EPOCHS)?") {
		t.Errorf("done: %+v", d.Error)
	}
}

// The kernel starts no program with a variable of 128 KiB.
func TestEightThousandClassesReachTheTraining(t *testing.T) {
	classes, images := []any{}, []any{}
	for i := range 8000 {
		classes = append(classes, map[string]any{"id": i, "name": fmt.Sprintf("a class with a name of its own %d", i)})
	}
	for i := range 8 {
		images = append(images, map[string]any{"id": i, "file_name": fmt.Sprintf("img%d.png", i), "width": 64, "height": 64,
			"annotations": []any{map[string]any{"class_id": i * 1000, "bbox": []int{16, 16, 32, 32}}}})
	}
	annotations, err := json.Marshal(map[string]any{"format_version": "1.0", "dataset_id": "many", "images": images, "classes": classes})
	if err != nil {
		t.Fatal(err)
	}
	j := newJob(t, "dumps")
	id := "many-" + j.id
	var zipped bytes.Buffer
	w := zip.NewWriter(&zipped)
	packed := tinyDataset()
	tiny, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range tiny.File {
		if f.Name != "annotations.json" {
			if err := w.Copy(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	entry, err := w.Create("annotations.json")
	if err == nil {
		_, err = entry.Write(annotations)
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = shared.Put("datasets/"+id+".zip", zipped.Bytes())
	}
	if err != nil {
		t.Fatal(err)
	}
	s := j.with("DATASET_ID", id, "HOME", "/nonexistent").mustExit(0).seen()
	var names []string
	if b, err := os.ReadFile(s.Env["CLASS_NAMES_FILE"]); err != nil || json.Unmarshal(b, &names) != nil || len(names) != 8000 || s.Env["CLASS_NAMES"] != "" || s.Env["NUM_CLASSES"] != "8000" {
		t.Errorf("%d names in CLASS_NAMES_FILE=%s (%v), NUM_CLASSES=%s", len(names), s.Env["CLASS_NAMES_FILE"], err, s.Env["NUM_CLASSES"])
	}
	if want := filepath.Join(j.workspace, "home"); s.Env["HOME"] != want {
		t.Errorf("HOME=%s, which nobody can write to; want %s", s.Env["HOME"], want)
	}
}

// A training that has keys of its own may put its checkpoint into the bucket itself.
func TestACheckpointThatTheTrainingStoredItselfIsASuccess(t *testing.T) {
	for name, there := range map[string]bool{"it is there": true, "it is not": false} {
		t.Run(name, func(t *testing.T) {
			j := newJob(t, "stores-itself")
			uri := contract.URI(bucket, contract.CheckpointKey(j.id, "mine.bin"))
			j.with("STORED_AT", uri)
			if !there {
				if d := j.mustExit(1).done(); !strings.Contains(*d.ErrorMessage, "left no complete checkpoint") {
					t.Errorf("done: %+v", d.Error)
				}
				return
			}
			if err := shared.Put(contract.CheckpointKey(j.id, "mine.bin"), []byte("weights")); err != nil {
				t.Fatal(err)
			}
			if d := j.mustExit(0).done(); d.CheckpointPath == nil || *d.CheckpointPath != uri || len(d.Artifacts) == 0 {
				t.Errorf("done: %+v", d)
			}
		})
	}
}

func TestWhatTheTrainingLeftRunningIsNamed(t *testing.T) {
	j := newJob(t, "")
	j.command = []string{"sh", "-c", `"$@" && { sleep 1000 & }`, "sh", "python3", filepath.Join(shared.root, "testdata", "trainers", "scripted.py"), "quick"}
	j.mustExit(0)
	if warnings := strings.Join(j.result().Warnings, "\n"); !strings.Contains(warnings, "ended and left 1 running, which were ended: sleep (") {
		t.Errorf("warnings: %s", warnings)
	}
}

// As after "2>&1", with a progress bar that ends in the middle of a line.
func TestALineOfTheLogBeginsOnALineOfItsOwn(t *testing.T) {
	j := newJob(t, "leaves-a-line-open")
	both, err := os.Create(filepath.Join(t.TempDir(), "both.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer both.Close() //nolint:errcheck // read below
	cmd := exec.Command(shared.agent, slices.Concat([]string{"run", "--"}, j.command)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, both, both
	for name, value := range j.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(both.Name()); err != nil || !strings.Contains(string(text), "75%|#######   |\n") {
		t.Errorf("%v\n%s", err, text)
	}
}

// Weights that wait in the bucket under the model's name reach the trainer, unless
// the job asks for a training from scratch.
func TestWeightsComeByTheModelsName(t *testing.T) {
	for _, object := range []struct{ key, body string }{
		{"weights/ultralytics/shelved/shelved.pt", "abc"}, {"weights/ultralytics/shelved/card.json", `{"license": "MIT"}`},
	} {
		if err := shared.Put(object.key, []byte(object.body)); err != nil {
			t.Fatal(err)
		}
	}
	j := newJob(t, "dumps").with("MODEL_NAME", "shelved").mustExit(0)
	if got := j.seen().Env["PRETRAINED_WEIGHTS"]; !strings.HasSuffix(got, "/shelved/shelved.pt") {
		t.Errorf("PRETRAINED_WEIGHTS=%q", got)
	}
	scratch := newJob(t, "dumps").with("MODEL_NAME", "shelved", "PRETRAINED", "false").mustExit(0)
	if got, found := scratch.seen().Env["PRETRAINED_WEIGHTS"]; found {
		t.Errorf("PRETRAINED_WEIGHTS=%q", got)
	}
}

func TestFailuresAreReported(t *testing.T) {
	for _, c := range []struct {
		scenario string
		code     contract.Code
		child    int
		says     []string
	}{
		{"fails", contract.CodeTrainingFailed, 1, []string{"ValueError", "the learning rate is a lie"}},
		{"cuda-oom", contract.CodeCUDAOOM, 1, []string{"Out of GPU memory. Try reducing batch_size", "16"}},
		{"segfaults", contract.CodeTrainingFailed, 139, []string{"SIGSEGV"}},
		{"traps", contract.CodeTrainingFailed, 1, []string{"it's a trap"}},
		{"says-failed", contract.CodeTrainingFailed, 3, []string{"no improvement was possible"}},
		{"no-checkpoint", contract.CodeTrainingFailed, 0, []string{"checkpoint"}},
		{"empty-checkpoint", contract.CodeTrainingFailed, 0, []string{"no complete checkpoint after epoch 1", "checkpoints/best.ckpt is empty (0 bytes)"}},
		{"torn-checkpoint", contract.CodeTrainingFailed, 0, []string{"no complete checkpoint", "checkpoints/last.pt is incomplete", "60000 bytes"}},
		{"nan-loss", contract.CodeNaNLoss, 0, []string{"0.001"}},
	} {
		t.Run(c.scenario, func(t *testing.T) {
			j := newJob(t, c.scenario).with("LEARNING_RATE", "0.001").mustExit(c.code.ExitCode())
			d := j.done()
			if d.Status != contract.StatusFailed || d.Error == nil || d.Error.Code != c.code {
				t.Fatalf("done: %+v, error %+v", d, d.Error)
			}
			if d.ExitCode == nil || *d.ExitCode != c.child {
				t.Errorf("child's exit code %v, want %d", d.ExitCode, c.child)
			}
			for _, part := range c.says {
				if !strings.Contains(*d.ErrorMessage, part) {
					t.Errorf("%q does not say %q", *d.ErrorMessage, part)
				}
			}
			if r := j.result(); r.Error.Code != c.code || r.ExitCode != c.code.ExitCode() {
				t.Errorf("result.json: %+v", r)
			}
		})
	}
}

func TestCommandThatCannotRun(t *testing.T) {
	for command, child := range map[string]int{"/no/such/python": contract.ExitNotFound, filepath.Join(shared.root, "README.md"): contract.ExitCannotRun} {
		j := newJob(t, "ok")
		j.command = []string{command, "train.py"}
		j.mustExit(1)
		d := j.done()
		if d.ErrorMessage == nil || !strings.Contains(*d.ErrorMessage, command) || d.ExitCode == nil || *d.ExitCode != child {
			t.Errorf("%s: %+v", command, d)
		}
	}
}

func TestStopSavesTheLastCheckpointAndExits143(t *testing.T) {
	j := newJob(t, "waits").start().ready()
	_ = j.cmd.Process.Signal(syscall.SIGTERM)
	if code := j.wait(); code != contract.ExitStopped {
		t.Fatalf("exit code %d\n%s", code, j.stderr.String())
	}
	d := j.done()
	if d.Error == nil || d.Error.Code != contract.CodeStopped || !d.Error.Retryable || *d.ExitCode != 0 {
		t.Errorf("%+v %+v", d, d.Error)
	}
	if got := j.objects("checkpoints/job-" + j.id + "/"); !slices.Contains(got, "last.pt") {
		t.Errorf("the last checkpoint is missing: %v", got)
	}
	if len(j.events(contract.EventStopping)) != 1 {
		t.Error("no stopping event")
	}
}

// As the README's own example writes it.
func TestStopStoresACheckpointWithoutAnEndMark(t *testing.T) {
	j := newJob(t, "text-checkpoint").start().ready()
	_ = j.cmd.Process.Signal(syscall.SIGTERM)
	if code := j.wait(); code != contract.ExitStopped {
		t.Fatalf("exit code %d\n%s", code, j.stderr.String())
	}
	if got := j.objects("checkpoints/job-" + j.id + "/"); !slices.Contains(got, "best.ckpt") {
		t.Errorf("the checkpoint is missing: %v", got)
	}
	if d := j.done(); d.Error == nil || !strings.Contains(d.Error.Hint, "resumes from its last checkpoint") {
		t.Errorf("%+v", d.Error)
	}
}

func TestStopBeforeAnythingWasSavedPromisesNoResume(t *testing.T) {
	j := newJob(t, "nothing-yet").start().ready()
	_ = j.cmd.Process.Signal(syscall.SIGTERM)
	if code := j.wait(); code != contract.ExitStopped {
		t.Fatalf("exit code %d\n%s", code, j.stderr.String())
	}
	if d := j.done(); d.Error == nil || !strings.Contains(d.Error.Hint, "starts from the beginning") {
		t.Errorf("%+v", d.Error)
	}
}

func TestAnyWholeModelIsAResultAndTheNamesAreSaid(t *testing.T) {
	j := newJob(t, "any-name").mustExit(0)
	if d := j.done(); d.CheckpointPath == nil || !strings.HasSuffix(*d.CheckpointPath, "/model.pth") {
		t.Errorf("checkpoint_path %v", d.CheckpointPath)
	}
	if w := strings.Join(j.result().Warnings, "\n"); !strings.Contains(w, "model.pth") || !strings.Contains(w, "best.*") {
		t.Errorf("%q", w)
	}
}

func TestTrainerThatIgnoresTermIsKilledWithItsDescendants(t *testing.T) {
	j := newJob(t, "ignores-term").with("AGENT_STOP_GRACE", "3s").start().ready()
	_ = j.cmd.Process.Signal(syscall.SIGTERM)
	if code := j.wait(); code != contract.ExitStopped {
		t.Fatalf("exit code %d\n%s", code, j.stderr.String())
	}
	if d := j.done(); *d.ExitCode != 128+9 {
		t.Errorf("child's exit code %d", *d.ExitCode)
	}
	if left := j.processes(); len(left) > 0 {
		t.Errorf("processes %v outlived the agent", left)
	}
}

func TestThirdStopRequestExitsAtOnce(t *testing.T) {
	j := newJob(t, "ignores-term").with("AGENT_STOP_GRACE", "1h").start().ready()
	for stops := 1; stops <= 3; stops++ {
		_ = j.cmd.Process.Signal(syscall.SIGTERM)
		if stops == 1 {
			j.until("the agent is stopping", func(calls []backend.Call) bool { return len(backend.Events(calls, contract.EventStopping)) > 0 })
		}
	}
	if code := j.wait(); code != contract.ExitStopped {
		t.Fatalf("exit code %d\n%s", code, j.stderr.String())
	}
	if left := j.processes(); len(left) > 0 {
		t.Errorf("processes %v outlived the agent", left)
	}
}

func TestTimeLimit(t *testing.T) {
	j := newJob(t, "waits").with("MAX_TRAINING_TIME_SECONDS", "2").mustExit(1)
	if d := j.done(); d.Error.Code != contract.CodeTrainingTimeout || !strings.Contains(*d.ErrorMessage, "Training exceeded maximum time limit") {
		t.Errorf("%+v", d.Error)
	}
}

func TestHangIsSuspectedAndStopped(t *testing.T) {
	j := newJob(t, "sleeps").with("AGENT_HANG_TIMEOUT", "2s", "AGENT_HANG_STOP", "true").mustExit(1)
	if d := j.done(); d.Error.Code != contract.CodeHung {
		t.Errorf("%+v", d.Error)
	}
	if len(j.events(contract.EventHangSuspected)) != 1 {
		t.Error("no hang_suspected event")
	}
}

func TestUnmodifiedScriptStillReports(t *testing.T) {
	j := newJob(t, "silent").mustExit(0)
	if got := j.epochsHeard(); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("heartbeats of epochs %v", got)
	}
	if got := j.objects("checkpoints/job-" + j.id + "/"); !slices.Contains(got, "best.pt") || !slices.Contains(got, "last.pt") {
		t.Errorf("checkpoints: %v", got)
	}
	j.done()
}

func TestPreemptedJobResumesOnAnEmptyWorkspace(t *testing.T) {
	j := newJob(t, "resumes").with("EPOCHS", "6").start().ready()
	j.until("the third checkpoint is saved", savedLast(3))
	j.eventually("the run marker is in the bucket", func() bool {
		mark := j.object(contract.RunMarkerKey(j.id, 0))
		return strings.Contains(string(mark), `"phase":"running"`)
	})
	j.killAll()
	j.workspace = t.TempDir()
	j.with("WORKSPACE_DIR", j.workspace).mustExit(0)
	if e := j.events(contract.EventPreviousRunKilled); len(e) != 1 || !strings.Contains(string(e[0].Data), `"code":"STOPPED"`) || !strings.Contains(string(e[0].Data), `"phase":"running"`) {
		t.Errorf("the second pod says of the first: %v", e)
	}
	if left := j.objects("jobs/" + j.id + "/life"); len(left) > 0 {
		t.Errorf("the run has said how it ended and left %v", left)
	}
	if e := j.events(contract.EventTrainingResumed); len(e) != 1 || !strings.Contains(string(e[0].Data), `"epoch":3`) {
		t.Errorf("training_resumed: %v", e)
	}
	if got := j.epochsHeard(); !slices.Equal(got, []int{1, 2, 3, 4, 5, 6}) {
		t.Errorf("heartbeats of epochs %v", got)
	}
	j.done()
}

func TestOutputFloodIsBoundedAndComplete(t *testing.T) {
	j := newJob(t, "floods").mustExit(0)
	if !strings.HasSuffix(strings.TrimSpace(j.stdout.String()), "after the flood") {
		t.Error("the output after a long line is lost")
	}
	if log := j.object(contract.TrainingLogKey(j.id)); len(log) > 1<<20 || !strings.Contains(string(log), "after the flood") {
		t.Errorf("training.log has %d bytes", len(log))
	}
}

func TestRunReusesWhatPrepareDid(t *testing.T) {
	j := newJob(t, "quick")
	if out, err := command(j, "prepare").CombinedOutput(); err != nil {
		t.Fatalf("prepare: %v\n%s", err, out)
	}
	if len(j.calls()) != 0 {
		t.Errorf("prepare called the backend: %v", j.calls())
	}
	j.mustExit(0)
	if e := j.events(contract.EventDatasetDownloaded); len(e) != 1 || !strings.Contains(string(e[0].Data), `"cached":true`) {
		t.Errorf("the dataset was fetched again: %s", e[0].Data)
	}
	j.done()
}

// No run follows an init container that failed for good.
func TestPrepareTellsOfAFailureThatNoOtherTryMends(t *testing.T) {
	for name, c := range map[string]struct {
		set  []string
		code contract.Code
	}{
		"the dataset":  {[]string{"DATASET_ID", "no-such-dataset"}, contract.CodeDatasetNotFound},
		"the settings": {[]string{"EPOCHS", "many"}, contract.CodeConfigInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJob(t, "quick").with(c.set...)
			out, err := command(j, "prepare").CombinedOutput()
			if ended, ok := errors.AsType[*exec.ExitError](err); !ok || ended.ExitCode() != contract.ExitFailed {
				t.Fatalf("%v\n%s", err, out)
			}
			if d := j.done(); d.Status != contract.StatusFailed || d.Error == nil || d.Error.Code != c.code {
				t.Errorf("done: %+v %+v", d, d.Error)
			}
			if r := j.result(); r.Error == nil || r.Error.Code != c.code || r.ExitCode != contract.ExitFailed {
				t.Errorf("result.json: %+v", r)
			}
		})
	}
}

func TestLocalStorageNeedsNoBucket(t *testing.T) {
	data := filepath.Join(t.TempDir(), "tiny.zip")
	if err := os.WriteFile(data, tinyDataset(), 0o600); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, "ok").with("STORAGE_TYPE", "local", "DATASET_PATH", data, "DATASET_ID", "", "S3_ENDPOINT", "", "AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", "").mustExit(0)
	j.done()
	for _, key := range []string{contract.CheckpointKey(j.id, "best.pt"), contract.ManifestKey(j.id), contract.TrainingLogKey(j.id), contract.ResultKey(j.id)} {
		if _, err := os.Stat(filepath.Join(j.workspace, "bucket", key)); err != nil {
			t.Error(err)
		}
	}
}
