// Package coco reads datasets in COCO JSON: one file, or one for each split, in
// whatever folder, as the field's tools write them.
//
// It promises to find such a file by its keys, wherever they stand in it, and that
// no file that looks like annotations is left unread without a word. It leaves the
// JSON itself to the reader of the Platform Format, which takes COCO's shape.
package coco

import (
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
	"github.com/vision-platform/trainer-agent/converters/read/platform"
)

// file is one JSON file with annotations.
type file struct {
	name   string
	split  contract.Split
	called string // the part of the name that says the split
	kind   string // what the name says beside its split: "instances" of instances_train2017
}

// isPanoptic tells by its name the file that describes pictures of segments, and no
// boxes or outlines.
func isPanoptic(name string) bool {
	return strings.HasPrefix(strings.ToLower(path.Base(name)), "panoptic")
}

// Recognise takes the JSON files that have images and annotations, or categories.
// Where there are instances_*, captions_* and person_keypoints_*, the ones that fit
// the task count.
func Recognise(f *layout.Folder) (*layout.Layout, error) {
	var found []file
	var results []string
	for _, name := range candidates(f) {
		switch {
		case isPanoptic(name):
		case hasKeys(f.Path(name)):
			found = append(found, newFile(name))
		case isResults(f.Path(name)):
			results = append(results, name)
		}
	}
	chosen, left := choose(evaluated(found), f.Task)
	chosen, copies := withoutCopies(f, chosen)
	if len(chosen) == 0 {
		return nil, nil
	}
	return &layout.Layout{Name: "coco", Annotations: f.Path(chosen[0].name), Read: func(problems *problem.List) (*dataset.Catalog, error) {
		for i, other := range left {
			kind := problem.AnnotationsKeptOut
			if other.split != "" {
				kind = problem.AnnotationsUnread
			}
			problems.Add(kind, i, "%s", other.name)
		}
		for i, name := range copies {
			problems.Add(problem.AnnotationsCopied, i, "%s", name)
		}
		for i, name := range results {
			problems.Add(problem.ResultsKeptOut, i, "%s", name)
		}
		return read(f, chosen, problems)
	}}, nil
}

// evaluated makes the files of evaluation those for testing, where others are for
// validation and none is for testing.
func evaluated(files []file) []file {
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = file.called
	}
	evalTests := layout.EvalTests(names)
	for i := range files {
		files[i].split = layout.SplitAmong(files[i].split, files[i].called, evalTests)
	}
	return files
}

func newFile(name string) file {
	stem := strings.TrimSuffix(path.Base(name), path.Ext(name))
	stem = strings.TrimSuffix(stem, ".coco")
	out := file{name: name, split: layout.SplitOf(stem), called: stem, kind: layout.Beside(stem)}
	for dir := path.Dir(name); out.split == "" && dir != "."; dir = path.Dir(dir) {
		out.called = path.Base(dir)
		out.split = layout.SplitOf(out.called)
	}
	return out
}

// maxFiles bounds the JSON files that are looked into.
const maxFiles = 1000

// candidates are the JSON files that may hold a dataset: not those beside an image
// of the same name, which describe that image alone. The ones at the top come first.
func candidates(f *layout.Folder) []string {
	var list []string
	for _, name := range f.Names() {
		if strings.EqualFold(path.Ext(name), ".json") {
			list = append(list, name)
		}
	}
	if len(list) > maxFiles {
		images := f.ImageStems()
		list = slices.DeleteFunc(list, func(name string) bool {
			stem, _, _ := strings.Cut(path.Base(name), ".")
			return images[stem]
		})
	}
	slices.SortStableFunc(list, func(a, b string) int { return strings.Count(a, "/") - strings.Count(b, "/") })
	return list[:min(len(list), maxFiles)]
}

// hasKeys tells by the keys at the top of the file, of which annotations of COCO
// have two: the images, and what is on them or may be. A file that breaks off after
// one of them is taken too: its reader says where.
func hasKeys(file string) bool {
	images, others := false, false
	err := platform.Keys(file, func(key string, value byte) bool {
		switch key {
		case "images":
			images = images || value == '['
		case "annotations", "categories", "classes":
			others = others || value == '['
		}
		return !images || !others
	})
	return images && (others || err != nil)
}

// choose picks the files for the task. What is left over is annotations too: they
// are of a split that none of the chosen ones is of, or of none beside those of
// splits. Files for other tasks of the same images are not counted.
func choose(files []file, task contract.TaskType) (chosen, left []file) {
	files = slices.DeleteFunc(files, func(f file) bool { return strings.HasPrefix(f.kind, "captions") })
	kinds := []string{"instances"}
	if task == contract.TaskPoseEstimation {
		kinds = []string{"person keypoints", "keypoints", "instances"}
	}
	chosen = files
	for _, kind := range kinds {
		of := func(f file) bool { return strings.HasPrefix(f.kind, kind) }
		if slices.ContainsFunc(files, of) {
			chosen = slices.DeleteFunc(slices.Clone(files), func(f file) bool { return !of(f) })
			break
		}
	}
	splits := make(map[contract.Split]bool)
	for _, f := range chosen {
		splits[f.split] = true
	}
	declared := splits[contract.SplitTrain] || splits[contract.SplitVal]
	for _, f := range files {
		if !slices.Contains(chosen, f) && f.split != "" && !splits[f.split] {
			left = append(left, f)
		}
	}
	if !declared || !splits[""] {
		return chosen, left
	}
	for _, f := range chosen {
		if f.split == "" {
			left = append(left, f)
		}
	}
	return slices.DeleteFunc(slices.Clone(chosen), func(f file) bool { return f.split == "" }), left
}
