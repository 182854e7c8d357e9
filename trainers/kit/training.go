package kit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

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
