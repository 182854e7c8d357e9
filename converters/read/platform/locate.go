package platform

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
	"github.com/vision-platform/trainer-agent/converters/text"
)

// taskNames are the {task} of annotations_{task}.json that fit a task.
var taskNames = map[contract.TaskType][]string{
	contract.TaskImageClassification:    {"classification"},
	contract.TaskZeroShotClassification: {"classification"},
	contract.TaskObjectDetection:        {"detection"},
	contract.TaskInstanceSegmentation:   {"segmentation"},
	contract.TaskSemanticSegmentation:   {"segmentation"},
	contract.TaskPoseEstimation:         {"pose", "keypoints"},
}

// Locate finds the annotations file below root: the one that fits the task, then
// annotations.json, then the only one there. The error wraps fs.ErrNotExist when
// there is none.
func Locate(root string, task contract.TaskType) (string, error) {
	found, err := filepath.Glob(filepath.Join(globEscape(root), "annotations*.json"))
	if err != nil {
		return "", err
	}
	found = slices.DeleteFunc(found, func(path string) bool {
		info, err := os.Stat(path)
		return err != nil || !info.Mode().IsRegular() || ofSplit(filepath.Base(path))
	})
	candidates := []string{"annotations_" + string(task) + ".json"}
	for _, name := range taskNames[task] {
		candidates = append(candidates, "annotations_"+name+".json")
	}
	for _, name := range append(candidates, "annotations.json") {
		if path := filepath.Join(root, name); slices.Contains(found, path) {
			return path, nil
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("there is no annotations.json in the dataset: %w", fs.ErrNotExist)
	case 1:
		return found[0], nil
	}
	names := make([]string, len(found))
	for i, path := range found {
		names[i] = filepath.Base(path)
	}
	return "", contract.Failf(contract.CodeDatasetInvalid,
		"%d annotation files are there, and none of them is for %s: %s.", len(found), task, strings.Join(names, ", ")).
		WithHint("Train the task that one of them is for, or add annotations_%s.json.", task)
}

// IsFile reports whether a name, relative to a folder, is one that Locate looks for.
func IsFile(name string) bool {
	is, _ := path.Match("annotations*.json", name)
	return is
}

// ofSplit reports a name like annotations_train.json: the file of a split, of which
// there are others.
func ofSplit(name string) bool {
	rest, _ := strings.CutPrefix(strings.TrimSuffix(name, filepath.Ext(name)), "annotations")
	return layout.OnlySplit(rest) != ""
}

func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// ReadFile reads one annotations file for a task, with the default limits.
func ReadFile(path string, task contract.TaskType, problems *problem.List) (*dataset.Catalog, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, contract.Failf(contract.CodeDatasetNotFound, "The annotations file %s is not there: %w.", filepath.Base(path), err)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the annotations: %w", err)
	}
	defer func() { _ = f.Close() }()
	r, page, err := text.NewFileReader(f)
	if err != nil {
		return nil, fmt.Errorf("reading the annotations: %w", err)
	}
	if page != "" {
		problems.Add(problem.TextNotUTF8, 0, "%s as %s", filepath.Base(path), page)
	}
	return Read(r, filepath.Base(path), task, problems, DefaultLimits)
}
