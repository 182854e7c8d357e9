package kit

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit/runner"
)

// training is one epoch of one model, and what it left.
type training struct {
	task       contract.TaskType
	model      string
	dir        string // its own, below Scratch
	dataset    string
	checkpoint string
	sample     bool // the dataset is the one made here
}

const (
	proofJob  = "validation-test"
	maxRecord = 64 << 20 // bytes of callbacks
)

// trainingTest trains one real epoch of a model for every task that the package names,
// through the agent, with the arguments of the platform's command-line convention.
func (v *Validator) trainingTest(ctx context.Context, result *contract.StepResult) (found []finding) {
	trainings := v.planned()
	if len(trainings) == 0 {
		return []finding{fault("training.no-model", "capabilities.json", "there is no supported model with one of the tasks "+taskNames()+" to train")}
	}
	created := true
	for _, t := range trainings {
		found = append(found, v.train(ctx, result, &t)...)
		created = created && t.checkpoint != ""
		v.proof.trainings = append(v.proof.trainings, t)
	}
	result.Checkpoint = &created
	return found
}

// planned is one training for each task; a dataset that was named fits one task, that of
// the first model.
func (v *Validator) planned() (all []training) {
	for _, m := range v.proof.document.Models {
		for _, name := range m.TaskTypes {
			task := contract.TaskType(name)
			if !m.Supported || !slices.Contains(contract.TaskTypes, task) || slices.ContainsFunc(all, func(t training) bool { return t.task == task }) {
				continue
			}
			all = append(all, training{task: task, model: m.ModelName, dir: filepath.Join(v.Scratch, name), sample: v.Dataset == ""})
		}
	}
	if v.Dataset != "" {
		all = all[:min(len(all), 1)]
	}
	return all
}

// train takes one of the trainings.
func (v *Validator) train(ctx context.Context, result *contract.StepResult, t *training) []finding {
	if t.dataset = v.Dataset; t.sample {
		t.dataset = filepath.Join(v.Scratch, "dataset-"+string(t.task))
		if err := writeSample(t.dataset, t.task, proofImages); err != nil {
			return []finding{machineFault(err)}
		}
	}
	local := Local{Package: v.Dir, Dataset: t.dataset, Workspace: filepath.Join(t.dir, "workspace")}
	said, err := v.run(ctx, result, runner.Command{
		Program: v.Tools.Agent, Env: v.environment(map[string]string{
			"WORKSPACE_DIR": local.Workspace, "JOB_ID": proofJob, "MODEL_NAME": t.model, "TASK_TYPE": string(t.task), "EPOCHS": "1", "BATCH_SIZE": "2", "IMAGE_SIZE": "64",
			"NUM_WORKERS": "0", "MAX_TRAINING_TIME_SECONDS": textf("%d", int(v.Limit.Seconds())), "AGENT_LOG_FORMAT": "text",
		}),
		Args: []string{"try", "--dataset", t.dataset, "--", v.Tools.Python, "train.py", "--job-id", "$(JOB_ID)", "--model-name", "$(MODEL_NAME)",
			"--dataset-s3-uri", "$(DATASET_URI)", "--callback-url", "$(CALLBACK_URL)", "--config", "$(CONFIG_JSON)"},
		Read: []string{v.Tools.Agent, t.dataset}, Write: []string{t.dir},
	})
	if f := notRun(err, "train.py"); f != nil {
		return []finding{*f}
	}
	calls, readErr := recorded(t.dir)
	if readErr != nil {
		return []finding{v.at(fault("training.not-started", "train.py", textf("the training did not start: %v. %s", errors.Join(err, readErr), lastLines(said, 5))), said)}
	}
	found := judgeTraining(calls)
	if err != nil && len(found) == 0 {
		found = append(found, fault("training.failed", "train.py", textf("trainer-agent: %v. %s", err, lastLines(said, 5))))
	}
	if t.checkpoint = bestCheckpoint(local.Checkpoints(proofJob)); t.checkpoint == "" && len(found) == 0 {
		found = append(found, with(fault("training.no-checkpoint", "train.py", "no checkpoint was uploaded"), "save one below OUTPUT_DIR, for example CHECKPOINT_DIR/best.pt"))
	}
	for i := range found {
		found[i].Text = textf("%s (%s): %s", t.model, t.task, found[i].Text)
		found[i] = v.at(found[i], said)
	}
	return found
}

// recorded reads the callbacks of a training. The package's code could have put anything
// in the place of the record: nothing outside its folder is followed, and it is bounded.
func recorded(dir string) ([]Callback, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	file, err := openWithin(root, "workspace/callbacks.jsonl")
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return decodeCallbacks(io.LimitReader(file, maxRecord))
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
		return []finding{fault("training.no-done", "train.py", "there was no done: the job did not come to its end")}
	case done.Status != contract.StatusSucceeded:
		text := "the training failed"
		if done.ErrorMessage != nil {
			text += ": " + *done.ErrorMessage
		}
		if done.Error != nil && len(done.Error.Evidence) > 0 {
			text += " Evidence: " + lastLines(strings.Join(done.Error.Evidence, "\n"), 5)
		}
		return []finding{fault("training.failed", "train.py", text)}
	}
	if !measured {
		found = append(found, with(fault("training.no-metrics", "train.py", "no heartbeat came with the metrics of an epoch"), "call platform.heartbeat(epoch, {...}) after every epoch"))
	}
	if !validated {
		found = append(found, with(note("training.no-validation", "train.py", "no validation was reported: the platform shows no curves and cannot tell the best epoch"), "call platform.validation(epoch, {...})"))
	}
	return found
}

// bestCheckpoint is the checkpoint to predict with: best, else last, else any; a
// file or, for Hugging Face, a folder.
func bestCheckpoint(dir string) string {
	for _, pattern := range []string{"best*", "last*", "epoch-*", "checkpoint-*", "*"} {
		matches, _ := fs.Glob(os.DirFS(dir), pattern) // the patterns are constants
		for _, name := range matches {
			if name != "manifest.json" {
				return filepath.Join(dir, name)
			}
		}
	}
	return ""
}
