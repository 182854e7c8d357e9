// Package voc reads datasets in the layout of Pascal VOC: one XML file of boxes an
// image, as LabelImg, CVAT, Roboflow and ImageNet's tools write it.
//
// It promises the split of ImageSets/Main or of the folders, the classes in the
// order of the dataset's list where it has one, and no XML that is passed over
// without a word. Boxes are taken as they are written, from xmin to xmax: tools do
// not agree on whether pixels count from 0 or 1. It leaves masks in PNG to package masks.
package voc

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// maxLooks is how many XML files are looked into before the dataset is none of
// Pascal VOC; a project file may come first.
const maxLooks = 16

// maxFileBytes bounds one XML file.
const maxFileBytes = 16 << 20

// Recognise takes XML files whose outermost element is annotation.
func Recognise(f *layout.Folder) (*layout.Layout, error) {
	if f.Classifies() {
		return nil, nil
	}
	files := f.WithSuffix(".xml")
	at := slices.IndexFunc(files[:min(len(files), maxLooks)], func(name string) bool {
		content, err := f.ReadText(name, maxFileBytes)
		return err == nil && isAnnotation(content)
	})
	if at < 0 {
		return nil, nil
	}
	return &layout.Layout{Name: "voc", Annotations: f.Path(files[at]), Read: func(problems *problem.List) (*dataset.Catalog, error) {
		r := &reader{f: f, pairs: layout.NewPairs(f), out: layout.NewCollector(), problems: problems}
		return r.read(files)
	}}, nil
}

// isAnnotation looks at the first element.
func isAnnotation(content string) bool {
	for {
		_, rest, ok := strings.Cut(content, "<")
		switch {
		case !ok:
			return false
		case strings.HasPrefix(rest, "?"), strings.HasPrefix(rest, "!"):
			content = rest
			continue
		}
		name, _, _ := strings.Cut(rest, ">")
		name, _, _ = strings.Cut(name, " ")
		return strings.EqualFold(strings.TrimSpace(name), "annotation")
	}
}

// reader is one dataset being read.
type reader struct {
	f        *layout.Folder
	pairs    *layout.Pairs
	out      *layout.Collector
	problems *problem.List
	lists    map[string]contract.Split // by stem; nil without lists
}

func (r *reader) read(files []string) (*dataset.Catalog, error) {
	var err error
	if r.lists, err = Lists(r.f, r.problems, "ImageSets/Main", "ImageSets/Segmentation", "ImageSets/Layout", "ImageSets"); err != nil {
		return nil, err
	}
	for i, name := range files {
		content, err := r.f.ReadText(name, maxFileBytes)
		if err != nil {
			return nil, err
		}
		if !isAnnotation(content) {
			continue
		}
		a, err := parse(content)
		if err != nil {
			r.problems.Add(problem.AnnotationUnreadable, i, "%s: %v", name, err)
			continue
		}
		if err := r.take(i, name, a); err != nil {
			return nil, err
		}
	}
	declared, err := r.f.ClassList("labelmap.txt", "labels.txt", "classes.txt", "Annotations/classes.txt", "predefined_classes.txt")
	if err != nil {
		return nil, err
	}
	return r.out.Catalog(declared, r.problems), nil
}

// take adds the image of one file, and its objects.
func (r *reader) take(order int, name string, a *annotation) error {
	image := r.pairs.Only(r.problems, order, name, cmp.Or(a.Filename, a.Path), r.out)
	if image == "" {
		return nil
	}
	split, listed := r.splitOf(image)
	if !listed {
		r.problems.Add(problem.ImageInNoList, order, "%s", image)
		return nil
	}
	at := r.out.Image(image, a.Size.Width.side(), a.Size.Height.side(), split)
	for k := range a.Objects {
		o, wrong := a.Objects[k].read()
		class := strings.TrimSpace(a.Objects[k].Name)
		switch {
		case a.Objects[k].deleted():
			continue
		case wrong != "":
			r.problems.Add(problem.AnnotationUnreadable, order, "%s, object %d %s", name, k+1, wrong)
			continue
		case class == "":
			r.problems.Add(problem.AnnotationUnreadable, order, "%s, object %d has no name", name, k+1)
			continue
		}
		if corners, _ := a.Objects[k].corners(); corners != nil && !r.f.Task.NeedsOutlines() {
			r.problems.Add(problem.RotatedBoxes, order, "%s", name)
		}
		if a.Objects[k].Difficult.yes() {
			r.problems.Add(problem.DifficultObjects, order, "%s", name)
		}
		if err := r.out.Object(at, class, o); err != nil {
			return err
		}
	}
	return nil
}

// splitOf is the split of an image: of the lists, else of the folders.
func (r *reader) splitOf(image string) (split contract.Split, listed bool) {
	if r.lists == nil {
		return r.f.SplitOfPath(image), true
	}
	split, listed = r.lists[stem(image)]
	return split, listed
}

func stem(name string) string {
	base := path.Base(name)
	return strings.TrimSuffix(base, path.Ext(base))
}
