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

// inferenceTest predicts two images with the checkpoint of every training.
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
	images := twoImages(filepath.Join(t.dir, "workspace", "prepared"))
	if len(images) == 0 {
		return []finding{fault("inference.no-image", predictScript, "the prepared dataset has no image to predict")}
	}
	var answers []answered
	for i, image := range images {
		answer, found := v.predictOne(ctx, result, t, image, textf("predictions-%d", i+1))
		if len(found) > 0 {
			return found
		}
		answers = append(answers, answer)
	}
	return judgeAnswers(answers, t.task)
}

// predictOne predicts an image into a folder of the training's.
func (v *Validator) predictOne(ctx context.Context, result *contract.StepResult, t training, image, folder string) (answered, []finding) {
	out := filepath.Join(t.dir, folder)
	said, err := v.run(ctx, result, runner.Command{
		Program: v.Tools.Python, Args: []string{predictScript, "--checkpoint", t.checkpoint, "--image", image, "--output", out},
		Env: v.environment(map[string]string{
			"JOB_ID": proofJob, "TASK_TYPE": string(t.task), "MODEL_NAME": t.model, "DEVICE": "cpu", "IMAGE_SIZE": "64", "OUTPUT_DIR": out,
			"CONFIDENCE_THRESHOLD": everyCandidate,
		}),
		Read:  []string{t.dataset}, // the prepared one links to it
		Write: []string{t.dir},
	})
	if f := notRun(err, predictScript); f != nil {
		return answered{}, []finding{*f}
	}
	if err != nil {
		return answered{}, []finding{v.at(fault("inference.failed", predictScript, textf("%s: %v. %s", predictScript, err, lastLines(said, 5))), said)}
	}
	var classes []string
	if t.sample {
		classes = sampleNames()
	}
	return readAnswer(t.dir, folder+"/results.json", t.task, classes)
}

func sampleNames() (names []string) {
	for _, c := range sampleClasses {
		names = append(names, c.name)
	}
	return names
}

// readAnswer reads the predictions of one image below a training's folder; nothing outside
// of it is followed.
func readAnswer(dir, name string, task contract.TaskType, classes []string) (answered, []finding) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return answered{}, []finding{fault("inference.no-results", predictScript, err.Error())}
	}
	defer func() { _ = root.Close() }()
	file, err := openWithin(root, name)
	if err != nil {
		return answered{}, []finding{with(fault("inference.no-results", predictScript, "it wrote no results.json to the folder of --output"), "docs/inference.md describes the file")}
	}
	body, err := readSmall(file)
	if err != nil {
		return answered{}, []finding{fault("inference.no-results", predictScript, "results.json: "+err.Error())}
	}
	answer, wrong := parseAnswer(body, task, classes)
	if wrong != "" {
		return answer, []finding{with(fault("inference.wrong-output", predictScript, "results.json holds no predictions of "+string(task)+": "+wrong), "docs/inference.md describes the file")}
	}
	return answer, nil
}

// judgeAnswers says what only several answers together show: whether a detector finds
// anything, and whether the images are looked at.
func judgeAnswers(answers []answered, task contract.TaskType) []finding {
	if wrong := noObject(answers, task); wrong != "" {
		return []finding{with(fault("inference.no-object", predictScript, wrong), "leave out what is below CONFIDENCE_THRESHOLD, and nothing else: docs/inference.md")}
	}
	for _, a := range answers[1:] {
		if !a.same(answers[0]) {
			return nil
		}
	}
	if len(answers) == 1 {
		return []finding{warning("inference.same-answer", predictScript, "the dataset has one image only: the output's form was checked, not its content")}
	}
	return []finding{warning("inference.same-answer", predictScript, "two different images got the same answer to the last digit: the output's form was checked, not its content")}
}

// twoImages are the first and the last image of a prepared dataset, by their names, which with
// the drawn one are of different classes. Both are in one folder of it: another has masks.
func twoImages(dir string) (found []string) {
	var top, last string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !slices.Contains([]string{".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}, strings.ToLower(filepath.Ext(path))) {
			return nil //nolint:nilerr // what cannot be read is no picture
		}
		rel, _ := filepath.Rel(dir, path) // it is below
		folder, _, _ := strings.Cut(rel, string(filepath.Separator))
		if d.Name() == rel {
			folder = ""
		}
		switch {
		case found == nil:
			found, top = []string{path}, folder
		case folder == top:
			last = path
		}
		return nil
	})
	if last != "" {
		found = append(found, last)
	}
	return found
}
