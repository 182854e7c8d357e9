package trainer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

const (
	stopDelay = 30 * time.Second // from SIGTERM to SIGKILL
	maxOutput = 1 << 20          // bytes that are kept of a process's output
	maxFiles  = 1000             // of a prediction that are looked at
)

// inherited are the variables that the package's processes get from this one:
// no setting of a job, no credential.
var inherited = []string{"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"}

// command prepares a process with the limit of a step. It is asked to stop with
// SIGTERM, so that the agent can end its own child.
func (v *Validator) command(ctx context.Context, env map[string]string, program string, args ...string) (*exec.Cmd, *tail, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, StepLimit+stopDelay)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = v.Dir
	cmd.Env = []string{"PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1"}
	for _, pair := range v.Environ {
		if name, _, _ := strings.Cut(pair, "="); slices.Contains(inherited, name) {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopDelay
	errors := &tail{}
	cmd.Stderr = errors
	return cmd, errors, cancel
}

// script runs a script of the package that prints JSON and reads it into answer.
func (v *Validator) script(ctx context.Context, answer any, name string) *finding {
	cmd, stderr, cancel := v.command(ctx, nil, v.Python, name)
	defer cancel()
	var stdout tail
	cmd.Stdout = &stdout
	err := cmd.Run()
	if wrong := json.Unmarshal(stdout.Bytes(), answer); err == nil && wrong != nil {
		err = fmt.Errorf("its output is not the JSON that section 9 of the contract asks for: %w", wrong)
	}
	if err == nil {
		return nil
	}
	f := fault("%s: %v. %s", name, err, lastLines(stderr.String(), 3))
	return &f
}

// trainingTest trains one real epoch through the agent, with the arguments of the
// platform's command-line convention.
func (v *Validator) trainingTest(ctx context.Context) []finding {
	if !v.chooseModel() {
		return []finding{fault("there is no supported model with one of the tasks %s to train", taskNames())}
	}
	dataset := v.Dataset
	if dataset == "" {
		dataset = filepath.Join(v.Scratch, "dataset")
		if err := WriteSample(dataset, v.task); err != nil {
			return []finding{fault("%v", err)}
		}
	}
	local := Local{Package: v.Dir, Dataset: dataset, Workspace: filepath.Join(v.Scratch, "workspace")}
	env := map[string]string{
		"WORKSPACE_DIR": local.Workspace, "JOB_ID": "validation-test", "MODEL_NAME": v.model, "TASK_TYPE": string(v.task), "EPOCHS": "1",
		"BATCH_SIZE": "2", "IMAGE_SIZE": "64", "NUM_WORKERS": "0", "MAX_TRAINING_TIME_SECONDS": fmt.Sprint(int(StepLimit.Seconds())), "AGENT_LOG_FORMAT": "text",
	}
	cmd, stderr, cancel := v.command(ctx, env, v.Agent, "try", "--dataset", dataset, "--", v.Python, "train.py",
		"--job-id", "$(JOB_ID)", "--model-name", "$(MODEL_NAME)", "--dataset-s3-uri", "$(DATASET_URI)", "--callback-url", "$(CALLBACK_URL)", "--config", "$(CONFIG_JSON)")
	defer cancel()
	cmd.Stdout = stderr // in order, for the author
	err := cmd.Run()
	calls, readErr := ReadCallbacks(local.Record())
	if readErr != nil {
		return []finding{fault("the training did not start: %v. %s", errors.Join(err, readErr), lastLines(stderr.String(), 5))}
	}
	found := judgeTraining(calls)
	if err != nil && len(found) == 0 {
		found = append(found, fault("trainer-agent: %v. %s", err, lastLines(stderr.String(), 5)))
	}
	if v.checkpoint = bestCheckpoint(local.Checkpoints(env["JOB_ID"])); v.checkpoint == "" && len(found) == 0 {
		found = append(found, fault("no checkpoint was uploaded: save one below OUTPUT_DIR, for example CHECKPOINT_DIR/best.pt"))
	}
	return found
}

// chooseModel takes the first model that the platform has a task for.
func (v *Validator) chooseModel() bool {
	for _, m := range v.document.Models {
		for _, t := range m.TaskTypes {
			if task := contract.TaskType(t); m.Supported && slices.Contains(contract.TaskTypes, task) {
				v.model, v.task = m.ModelName, task
				return true
			}
		}
	}
	return false
}

// judgeTraining reads what the platform would have been told.
func judgeTraining(calls []Callback) (found []finding) {
	var measured, validated bool
	var done *contract.Done
	for _, c := range calls {
		switch c.Kind {
		case contract.KindHeartbeat:
			var h contract.Heartbeat
			measured = measured || json.Unmarshal(c.Body, &h) == nil && h.Epoch >= 1 && len(h.Metrics) > 0
		case contract.KindValidation:
			validated = true
		case contract.KindDone:
			done = &contract.Done{}
			if json.Unmarshal(c.Body, done) != nil {
				done = nil
			}
		}
	}
	switch {
	case done == nil:
		return []finding{fault("there was no done: the job did not come to its end")}
	case done.Status != contract.StatusSucceeded:
		text := "the training failed"
		if done.ErrorMessage != nil {
			text += ": " + *done.ErrorMessage
		}
		if done.Error != nil && len(done.Error.Evidence) > 0 {
			text += " Evidence: " + lastLines(strings.Join(done.Error.Evidence, "\n"), 5)
		}
		return []finding{fault("%s", text)}
	}
	if !measured {
		found = append(found, fault("no heartbeat came with the metrics of an epoch: call platform.heartbeat(epoch, {...}) after every epoch"))
	}
	if !validated {
		found = append(found, note("no validation was reported: the platform shows no curves and cannot tell the best epoch"))
	}
	return found
}

// bestCheckpoint is the checkpoint to predict with: best, else last, else any; a
// file or, for Hugging Face, a folder.
func bestCheckpoint(dir string) string {
	for _, pattern := range []string{"best*", "last*", "epoch-*", "checkpoint-*", "*"} {
		matches, _ := filepath.Glob(filepath.Join(dir, pattern)) // the patterns are constants
		for _, path := range matches {
			if filepath.Base(path) != "manifest.json" {
				return path
			}
		}
	}
	return ""
}

// inferenceTest predicts one image with the checkpoint of the training test.
func (v *Validator) inferenceTest(ctx context.Context) []finding {
	if !regular(filepath.Join(v.Dir, "predict.py")) {
		return []finding{note("there is no predict.py: the platform offers no inference with this trainer")}
	}
	if v.checkpoint == "" {
		return []finding{fault("the training test left no checkpoint to predict with")}
	}
	image := firstImage(filepath.Join(v.Scratch, "workspace", "prepared"))
	if image == "" {
		return []finding{fault("the prepared dataset has no image to predict")}
	}
	out := filepath.Join(v.Scratch, "predictions")
	env := map[string]string{"JOB_ID": "validation-test", "TASK_TYPE": string(v.task), "MODEL_NAME": v.model, "DEVICE": "cpu", "IMAGE_SIZE": "64", "OUTPUT_DIR": out}
	cmd, stderr, cancel := v.command(ctx, env, v.Python, "predict.py", "--checkpoint", v.checkpoint, "--image", image, "--output", out)
	defer cancel()
	cmd.Stdout = stderr
	if err := cmd.Run(); err != nil {
		return []finding{fault("predict.py: %v. %s", err, lastLines(stderr.String(), 5))}
	}
	return judgePrediction(out)
}

// judgePrediction asks for one JSON file that holds something.
func judgePrediction(out string) []finding {
	var files int
	var valid bool
	err := filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if files++; files > maxFiles {
			return filepath.SkipAll
		}
		if filepath.Ext(path) == ".json" {
			body, err := os.ReadFile(path)
			valid = valid || err == nil && json.Valid(body) && len(bytes.Trim(body, "{}[] \n")) > 0
		}
		return nil
	})
	if err != nil || !valid {
		return []finding{fault("predict.py wrote no JSON file with predictions to --output")}
	}
	return nil
}

func firstImage(dir string) (found string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && slices.Contains([]string{".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}, strings.ToLower(filepath.Ext(path))) {
			found = path
			return filepath.SkipAll
		}
		return nil
	})
	return found
}

func regular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// tail keeps the last part of an output.
type tail struct{ bytes.Buffer }

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	if t.Len()+len(p) > maxOutput {
		t.Next(min(t.Len(), len(p)+maxOutput/2))
	}
	return t.Buffer.Write(p)
}
