package kit

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit/runner"
)

const predictScript = "predict.py"

// inferenceTest predicts one image with the checkpoint of every training.
func (v *Validator) inferenceTest(ctx context.Context, result *contract.StepResult) (found []finding) {
	if !regular(filepath.Join(v.Dir, predictScript)) {
		return []finding{note("inference.missing", predictScript, "the file is missing: the platform offers no inference with this trainer")}
	}
	valid := true
	for _, t := range v.proof.trainings {
		more := v.predict(ctx, result, t)
		for i := range more {
			more[i].Text = textf("%s (%s): %s", t.model, t.task, more[i].Text)
			valid = valid && more[i].Severity != contract.SeverityError
		}
		found = append(found, more...)
	}
	if len(v.proof.trainings) == 0 {
		valid, found = false, []finding{fault("inference.no-checkpoint", predictScript, "the training test left no checkpoint to predict with")}
	}
	result.OutputValid = &valid
	return found
}

func (v *Validator) predict(ctx context.Context, result *contract.StepResult, t training) []finding {
	if t.checkpoint == "" {
		return []finding{fault("inference.no-checkpoint", predictScript, "the training test left no checkpoint to predict with")}
	}
	image := firstImage(filepath.Join(t.dir, "workspace", "prepared"))
	if image == "" {
		return []finding{fault("inference.no-image", predictScript, "the prepared dataset has no image to predict")}
	}
	out := filepath.Join(t.dir, "predictions")
	said, err := v.run(ctx, result, runner.Command{
		Program: v.Tools.Python, Args: []string{predictScript, "--checkpoint", t.checkpoint, "--image", image, "--output", out},
		Env: v.environment(map[string]string{
			"JOB_ID": proofJob, "TASK_TYPE": string(t.task), "MODEL_NAME": t.model, "DEVICE": "cpu", "IMAGE_SIZE": "64", "OUTPUT_DIR": out,
		}),
		Read:  []string{t.dataset}, // the prepared one links to it
		Write: []string{t.dir},
	})
	if f := notRun(err, predictScript); f != nil {
		return []finding{*f}
	}
	if err != nil {
		return []finding{v.at(fault("inference.failed", predictScript, textf("%s: %v. %s", predictScript, err, lastLines(said, 5))), said)}
	}
	var classes []string
	if t.sample {
		classes = sampleNames()
	}
	return judgePrediction(t.dir, t.task, classes)
}

func sampleNames() (names []string) {
	for _, c := range sampleClasses {
		names = append(names, c.name)
	}
	return names
}

// judgePrediction reads the predictions below a training's folder; nothing outside of it
// is followed.
func judgePrediction(dir string, task contract.TaskType, classes []string) []finding {
	const name = "predictions/results.json"
	root, err := os.OpenRoot(dir)
	if err != nil {
		return []finding{fault("inference.no-results", predictScript, err.Error())}
	}
	defer func() { _ = root.Close() }()
	file, err := openWithin(root, name)
	if err != nil {
		return []finding{with(fault("inference.no-results", predictScript, "it wrote no results.json to the folder of --output"), "docs/inference.md describes the file")}
	}
	body, err := readSmall(file)
	if err != nil {
		return []finding{fault("inference.no-results", predictScript, "results.json: "+err.Error())}
	}
	if wrong := predictionProblem(body, task, classes); wrong != "" {
		return []finding{with(fault("inference.wrong-output", predictScript, "results.json holds no predictions of "+string(task)+": "+wrong), "docs/inference.md describes the file")}
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
