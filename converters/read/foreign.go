// Package foreign reads datasets that come in a framework's own layout: YOLO,
// COCO or folders of classes.
//
// It promises to read them as their framework would, with the split that they
// have, and to report what the framework would drop without a word. It leaves
// the writing to the writers: such a dataset goes the same way as the
// platform's own, through a catalog, so that every check applies to it.
package read

import (
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
)

// Layout is a recognised dataset.
type Layout struct {
	Name        string // "yolo", "coco" or "imagefolder"
	Annotations string // absolute path of data.yaml or of the COCO file; empty for folders
	read        func(*problem.List) (*dataset.Catalog, error)
}

// Read reads the dataset. Names of image files are relative to its root.
func (l *Layout) Read(problems *problem.List) (*dataset.Catalog, error) { return l.read(problems) }

// Recognise tells the layout of a folder, or returns nil.
func Recognise(t *images.Tree, task contract.TaskType) *Layout {
	names := t.Names()
	for _, try := range []func(*images.Tree, []string, contract.TaskType) *Layout{recogniseYOLO, recogniseCOCO, recogniseFolders} {
		if l := try(t, names, task); l != nil {
			return l
		}
	}
	return nil
}

// The problems of foreign datasets.
var (
	TwoSplits = problem.Kind{Code: "image_in_two_splits", Severity: problem.Error,
		Message: "images are in two splits", Hint: "What is trained on cannot be validated on; give each split images of its own."}
	NoValidation = problem.Kind{Code: "no_validation_split", Severity: problem.Info,
		Message: "images are shared out between train and val, because the dataset has only one of these"}
	NoLabels = problem.Kind{Code: "no_label_files", Severity: problem.Error,
		Message: "images have no label file where the reader looks for it",
		Hint:    "For images/.../x.jpg the label is labels/.../x.txt: the last /images/ of the path becomes /labels/."}
	NoLabel = problem.Kind{Code: "no_label_file", Severity: problem.Warning,
		Message: "images have no label file and count as backgrounds"}
	BadRow = problem.Kind{Code: "bad_label_row", Severity: problem.Error,
		Message: "label rows are such that Ultralytics drops the whole image", Hint: "Correct or remove these rows."}
	BadList = problem.Kind{Code: "listed_image_missing", Severity: problem.Warning,
		Message: "lines of image lists name a file that is not in the dataset"}
	NothingThere = problem.Kind{Code: "no_images_there", Severity: problem.Warning,
		Message: "entries of data.yaml lead to no image"}
	BadClassKey = problem.Kind{Code: "bad_class_number", Severity: problem.Error,
		Message: "keys of names in data.yaml are not class numbers", Hint: "Number the classes from 0."}
	UnnamedClass = problem.Kind{Code: "class_without_name", Severity: problem.Info,
		Message: "classes have no name and are called after their number"}
	ClassesDiffer = problem.Kind{Code: "categories_differ", Severity: problem.Error,
		Message: "categories differ between the splits' files", Hint: "Write the same categories to every file."}
)

// splitNames are the folder names that the frameworks take for a split.
var splitNames = map[string]contract.Split{
	"train": contract.SplitTrain, "training": contract.SplitTrain,
	"val": contract.SplitVal, "valid": contract.SplitVal, "validation": contract.SplitVal,
	"test": contract.SplitTest, "testing": contract.SplitTest,
}

// splitOf finds the split in a name like instances_train2017 or valid.
func splitOf(name string) contract.Split {
	name = strings.TrimRight(strings.ToLower(name), "0123456789")
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune("_-. ", r) }) {
		if s, ok := splitNames[word]; ok {
			return s
		}
	}
	return ""
}

// settle gives the images their split fields. A dataset without train or without
// val has not said how to share these out: that is decided as if it had said
// nothing, among the images that are not for testing.
func settle(c *dataset.Catalog, problems *problem.List) {
	counts := make(map[contract.Split]int)
	for _, im := range c.Images {
		counts[im.Split]++
	}
	whole := counts[contract.SplitTrain] > 0 && counts[contract.SplitVal] > 0
	tests := counts[contract.SplitTest] > 0 && counts[contract.SplitTest] < len(c.Images)
	for i := range c.Images {
		im := &c.Images[i]
		if im.HasSplit = whole || tests; !whole && (im.Split != contract.SplitTest || !tests) {
			im.Split = ""
		}
	}
	if !whole && tests {
		problems.AddN(NoValidation, len(c.Images)-counts[contract.SplitTest], 0, "%d more are for testing", counts[contract.SplitTest])
	}
}

// below are the names in a folder and its sub-folders; the empty folder is the
// root.
func below(names []string, dir string) []string {
	if dir = path.Clean(dir); dir == "." {
		return names
	}
	from, _ := slices.BinarySearch(names, dir+"/")
	to := from
	for to < len(names) && strings.HasPrefix(names[to], dir+"/") {
		to++
	}
	return names[from:to]
}
