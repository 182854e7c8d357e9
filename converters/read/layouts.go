package read

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/coco"
	"github.com/vision-platform/trainer-agent/converters/read/folders"
	"github.com/vision-platform/trainer-agent/converters/read/labelme"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
	"github.com/vision-platform/trainer-agent/converters/read/lists"
	"github.com/vision-platform/trainer-agent/converters/read/masks"
	"github.com/vision-platform/trainer-agent/converters/read/tables"
	"github.com/vision-platform/trainer-agent/converters/read/voc"
	"github.com/vision-platform/trainer-agent/converters/read/yolo"
)

// Known is a layout that is read, beside the Platform Format.
type Known struct {
	Name string // as convert says it
	By   string // by what a folder is told to be of it
	// recognise is nil, nil for a folder that is not of the layout. Its error, a
	// *contract.Failure, is for one that is and cannot be read or serve the task.
	recognise func(*layout.Folder) (*layout.Layout, error)
	lenient   bool // its error counts only where the folder is of no other layout
}

// layouts are all of them. A new one is a line here, a room beside this file and a
// section of docs/datasets.md.
var layouts = []Known{
	{Name: "yolo", By: "data.yaml, lists of images, or a text file of labels for each image", recognise: yolo.Recognise},
	{Name: "coco", By: "JSON files with images, and annotations or categories", recognise: coco.Recognise},
	{Name: "voc", By: "XML files whose outermost element is annotation", recognise: voc.Recognise},
	{Name: "masks", By: "pictures of classes in folders such as masks or SegmentationClass, with the names of the images, for semantic_segmentation", recognise: masks.Recognise},
	{Name: "labelme", By: "JSON files with shapes and imagePath", recognise: labelme.Recognise, lenient: true},
	{Name: "csv", By: "a table with a column of images that are there and one of classes, or a column for each class", recognise: tables.Recognise, lenient: true},
	{Name: "imagefolder", By: "folders of images that can be classes", recognise: folders.Recognise, lenient: true},
}

// Layouts are the layouts that are read.
func Layouts() []Known { return layouts }

// Recognise tells the layout of a folder, or returns nil. A layout that a file of
// the folder declares counts before those that are told by what is there; of two
// equals neither counts, for which one was meant is not known.
func Recognise(t *images.Tree, task contract.TaskType) (*layout.Layout, error) {
	f := layout.Open(t, task)
	var found []*layout.Layout
	var refused error
	for _, known := range layouts {
		l, err := known.recognise(f)
		switch {
		case err != nil && !known.lenient && len(found) == 0:
			return nil, err
		case err != nil && refused == nil:
			refused = err
		case l != nil && l.Declared:
			return reporting(f, l), nil
		case l != nil:
			found = append(found, l)
		}
	}
	switch len(found) {
	case 0:
		return nil, refused
	case 1:
		return reporting(f, found[0]), nil
	}
	return nil, ambiguous(f, found)
}

// reporting follows lists of the split beside the dataset, and says which texts of
// the folder were read in a code page.
func reporting(f *layout.Folder, l *layout.Layout) *layout.Layout {
	out := *l
	out.Read = func(problems *problem.List) (*dataset.Catalog, error) {
		c, err := l.Read(problems)
		if err == nil {
			err = lists.Follow(f, c, lists.Own{Texts: l.Name == "yolo", JSON: l.Name == "coco"}, problems)
		}
		if err == nil && f.Classifies() {
			unreadNames(f, c, problems)
		}
		f.ReportText(problems)
		return c, err
	}
	return &out
}

// fewPictures are those that a description of the dataset shows.
const fewPictures = 20

// Alone refuses a dataset in tables with another one beside it: which one is meant is
// not known. A few pictures in folders are none.
func Alone(t *images.Tree, task contract.TaskType, name, file string) error {
	l, _ := Recognise(t, task) // what cannot be read is no other dataset
	if l == nil {
		return nil
	}
	pictures := 0
	t.Any(func(name string) bool {
		if images.IsImage(name) {
			pictures++
		}
		return pictures > fewPictures
	})
	if l.Name == "imagefolder" && pictures <= fewPictures {
		return nil
	}
	return ambiguous(layout.Open(t, task), []*layout.Layout{{Name: name, Annotations: file}, l})
}

func ambiguous(f *layout.Folder, found []*layout.Layout) error {
	var list []string
	for _, l := range found {
		text := l.Name
		if l.Annotations != "" {
			text = fmt.Sprintf("%s (%s)", l.Name, strings.TrimPrefix(filepath.ToSlash(l.Annotations), filepath.ToSlash(f.Root())+"/"))
		}
		list = append(list, text)
	}
	return contract.Failf(contract.CodeDatasetInvalid, "The dataset is laid out in %d ways, and which one is meant is not known: %s.", len(found), strings.Join(list, " and ")).
		WithHint("Keep the labels of one of them and remove the others.")
}
