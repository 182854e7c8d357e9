package kit

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// maxFiles bounds how many files of a prediction are looked at.
const maxFiles = 1000

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
			body, err := readDocument(path)
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
