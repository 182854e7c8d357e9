package yolo

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// reader is one dataset being read.
type reader struct {
	*layout.Folder
	config   *config
	problems *problem.List
	c        *dataset.Catalog
}

func (r *reader) read() (*dataset.Catalog, error) {
	if err := r.config.readNames(r.Folder); err != nil {
		return nil, err
	}
	if err := r.judge(); err != nil {
		return nil, err
	}
	if err := r.splits(); err != nil {
		return nil, err
	}
	l := newLabels(r)
	if err := l.readAll(); err != nil {
		return nil, err
	}
	if err := r.classes(l.highest); err != nil {
		return nil, err
	}
	r.c.Flip = r.config.flip
	layout.Settle(r.c, r.problems)
	r.c.Arrange()
	return r.c, nil
}

// judge refuses a configuration that contradicts itself or the task, in its own
// words: every label that follows from it would be blamed instead.
func (r *reader) judge() error {
	c, where := r.config, r.config.file
	refuse := func(hint, format string, args ...any) error {
		return contract.Failf(contract.CodeDatasetInvalid, format, args...).WithHint("%s", hint)
	}
	switch {
	case c.nc >= 0 && len(c.names) > 0 && c.nc != len(c.names):
		return refuse("Make nc the number of names, or remove it.", "%s contradicts itself: nc is %d and names has %d.", where, c.nc, len(c.names))
	case r.Task.NeedsKeypoints() && !validShape(c.shape):
		if where == "" {
			where = "The dataset has no data.yaml, which"
		}
		return refuse("Write kpt_shape: [points, 2 or 3] into data.yaml, for example [17, 3].",
			"%s has no kpt_shape, and %s needs it: what a row's columns mean is said nowhere else.", where, r.Task)
	case r.Task.NeedsOutlines() && len(c.shape) > 0:
		return refuse("Train pose_estimation or object_detection on it, or label polygons.",
			"%s has kpt_shape: its rows are boxes with keypoints and have no polygons, which %s needs.", where, r.Task)
	}
	return nil
}

func validShape(shape []int) bool {
	return len(shape) == 2 && shape[0] >= 1 && (shape[1] == 2 || shape[1] == 3)
}

// splits lists the images of every entry.
func (r *reader) splits() error {
	in := make(map[string]contract.Split)
	var nowhere []*entry
	for _, s := range append(slices.Clone(contract.Splits), "") {
		e := r.config.entry(s)
		if e == nil {
			continue
		}
		list, lost, err := r.images(e)
		if err != nil {
			return err
		}
		if len(lost) > 0 {
			nowhere = append(nowhere, &entry{e.key, e.split, lost})
		}
		for _, name := range list {
			if before, twice := in[name]; twice {
				if before != s {
					r.problems.Add(problem.ImageInTwoSplits, len(r.c.Images), "%q", name)
				}
				continue
			}
			in[name] = s
			r.c.Images = append(r.c.Images, dataset.Image{ID: name, File: name, Label: dataset.NoLabel, Split: s})
		}
	}
	if len(r.c.Images) == 0 {
		return contract.Failf(contract.CodeDatasetInvalid, "No image of the dataset is where %s says: %s.", cmp.Or(r.config.file, "its list"), said(nowhere)).
			WithHint("train and val are folders or lists relative to path, which is relative to %s.", cmp.Or(r.config.file, "the list"))
	}
	for i, e := range nowhere {
		kind := problem.NoImagesThere
		if e.split == contract.SplitTest {
			kind = problem.NoTestImages
		}
		r.problems.Add(kind, i, "%s", e)
	}
	return nil
}

func said(entries []*entry) string {
	texts := make([]string, len(entries))
	for i, e := range entries {
		texts[i] = e.String()
	}
	return strings.Join(texts, ", ")
}

// String is the entry as people wrote it; what separates its folders is named where
// it is the likely fault.
func (e *entry) String() string {
	text := fmt.Sprintf("%s: %s", e.key, strings.Join(e.values, ", "))
	if strings.Contains(text, `\`) {
		text += " (backslash: a separator on Windows only)"
	}
	return text
}

// maxClasses bounds what a class number may be.
const maxClasses = 1 << 20

// classes names the classes; numbers beyond them were reported as bad rows.
func (r *reader) classes(highest int) error {
	list, err := r.classFile()
	if err != nil {
		return err
	}
	for _, key := range r.config.badKeys {
		r.problems.Add(problem.BadClassNumber, 0, "%q", key)
	}
	names := r.config.names
	if len(names) == 0 {
		names = make(map[int]string)
		for i, name := range list {
			names[i] = name
		}
		if len(list) > 0 && highest >= len(list) {
			r.problems.Add(problem.ClassBeyondNames, 0, "class %d of %d", highest, len(list))
		}
	}
	n := max(r.config.nc, highest+1)
	for i := range names {
		n = max(n, i+1)
	}
	for i := range min(n, maxClasses) {
		name := names[i]
		if name == "" {
			name = fmt.Sprint("class ", i)
			r.problems.Add(problem.ClassWithoutName, i, "%d", i)
		}
		r.c.Classes = append(r.c.Classes, dataset.Class{ID: json.RawMessage(strconv.Itoa(i)), Name: name})
	}
	return nil
}

// classFiles are what labelling tools call the names of classes, one a line.
var classFiles = map[string]bool{"classes.txt": true, "obj.names": true, "_darknet.labels": true, "predefined_classes.txt": true}

// classFile is the first list of classes, where data.yaml has no names. With none at
// the top, all of the same name must say the same: labelImg writes one into every
// folder that it saves to.
func (r *reader) classFile() ([]string, error) {
	if len(r.config.names) > 0 {
		return nil, nil
	}
	var first string
	var list []string
	for _, name := range r.classFileNames() {
		lines, err := classLines(r.Folder, name)
		switch {
		case refused(err):
			return nil, err
		case err != nil:
			continue
		case first == "":
			first, list = name, lines
		case strings.Contains(first, "/") && path.Base(name) == path.Base(first) && !slices.Equal(lines, list):
			return nil, contract.Failf(contract.CodeDatasetInvalid, "%s and %s have different names of classes, or another order.", first, name).
				WithHint("Keep the one of this dataset, at its top; the numbers in all labels follow one list.")
		}
	}
	return list, nil
}

// classLines are the names of classes in a file, one a line.
func classLines(f *layout.Folder, name string) ([]string, error) {
	text, err := f.ReadText(name, maxLabelBytes)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return lines, nil
}

// maxClassFileDepth is how many folders down a list of classes is looked for:
// labelImg leaves it where it saves, which may be labels/train.
const maxClassFileDepth = 2

// classFileNames are the one that obj.data names, then those that are called as
// tools call them, the ones at the top first.
func (r *reader) classFileNames() []string {
	var list []string
	if names := darknet(r.Folder).names; names != "" {
		list = append(list, names)
	}
	for depth := range maxClassFileDepth + 1 {
		for _, name := range r.Names() {
			base := strings.ToLower(path.Base(name))
			if strings.Count(name, "/") == depth && (classFiles[base] || strings.HasSuffix(base, ".names")) {
				list = append(list, name)
			}
		}
	}
	return list
}
