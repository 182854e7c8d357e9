package layout

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
)

// Collector makes a catalog of images and objects whose classes are names, which
// are known when the last one was read.
type Collector struct {
	c      dataset.Catalog
	names  map[string]int32
	list   []string
	byFile map[string]int32
}

// NewCollector is an empty one.
func NewCollector() *Collector {
	return &Collector{names: make(map[string]int32), byFile: make(map[string]int32)}
}

// Image adds an image, once, and returns its index. Width and height are 0 where
// the annotations do not say them.
func (b *Collector) Image(file string, width, height int32, split contract.Split) int32 {
	if i, known := b.byFile[file]; known {
		return i
	}
	i := int32(len(b.c.Images))
	b.byFile[file] = i
	b.c.Images = append(b.c.Images, dataset.Image{ID: file, File: file, Width: width, Height: height, Label: dataset.NoLabel, Split: split})
	return i
}

// Has reports whether an image was added.
func (b *Collector) Has(file string) bool { _, known := b.byFile[file]; return known }

// At is an image that was added.
func (b *Collector) At(i int32) *dataset.Image { return &b.c.Images[i] }

// Object adds an object of a class to an image. The error is dataset.Catalog.Add's.
func (b *Collector) Object(image int32, class string, o dataset.Object) error {
	o.Image, o.Class, o.ID = image, b.class(class), dataset.NoID
	return b.c.Add(o)
}

// Label gives an image its class, or one more, by which it has none.
func (b *Collector) Label(image int32, class string) {
	im, label := &b.c.Images[image], b.class(class)
	if im.Label >= 0 && im.Label != label {
		label = dataset.ManyLabels
	}
	if im.Label != dataset.ManyLabels {
		im.Label = label
	}
}

func (b *Collector) class(name string) int32 {
	i, known := b.names[name]
	if !known {
		i = int32(len(b.list))
		b.names[name] = i
		b.list = append(b.list, name)
	}
	return i
}

// Catalog is what was collected. Classes are in the order in which the dataset
// declares them, and else sorted: numbers by value, then names by code point.
func (b *Collector) Catalog(declared []string, problems *problem.List) *dataset.Catalog {
	order := make([]string, 0, len(declared)+len(b.list))
	for _, name := range declared {
		if !slices.Contains(order, name) {
			order = append(order, name)
		}
	}
	rest := slices.DeleteFunc(slices.Clone(b.list), func(name string) bool { return slices.Contains(order, name) })
	slices.SortFunc(rest, compareNames)
	if len(declared) > 0 {
		for i, name := range rest {
			problems.Add(problem.ClassNotListed, i, "%q", name)
		}
	}
	order = append(order, rest...)
	index := make([]int32, len(b.list))
	for i, name := range order {
		if k, used := b.names[name]; used {
			index[k] = int32(i)
		}
		b.c.Classes = append(b.c.Classes, dataset.Class{ID: json.RawMessage(strconv.Itoa(i)), Name: name})
	}
	for i := range b.c.Images {
		if label := &b.c.Images[i].Label; *label >= 0 {
			*label = index[*label]
		}
	}
	for i := range b.c.Objects.Len() {
		o := b.c.Objects.At(i)
		o.Class = index[o.Class]
	}
	Settle(&b.c, problems)
	b.c.Arrange()
	return &b.c
}

func compareNames(a, b string) int {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	switch {
	case errX == nil && errY == nil && x != y:
		if x < y {
			return -1
		}
		return 1
	case errX == nil && errY != nil:
		return -1
	case errX != nil && errY == nil:
		return 1
	}
	return strings.Compare(a, b)
}

// maxClassListBytes bounds a list of class names.
const maxClassListBytes = 16 << 20

// ClassList reads the first of the files that is there: one name a line, as
// labelling tools write them. Names in underscores (__ignore__, _background_) are
// LabelMe's, and no classes; of CVAT's labelmap.txt the colours are taken off.
func (f *Folder) ClassList(files ...string) ([]string, error) {
	for _, name := range files {
		if !f.Has(name) {
			continue
		}
		content, err := f.ReadText(name, maxClassListBytes)
		if err != nil {
			return nil, err
		}
		var list []string
		for line := range strings.Lines(content) {
			line = strings.TrimSpace(line)
			if strings.HasSuffix(name, "labelmap.txt") {
				line, _, _ = strings.Cut(line, ":")
			}
			if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "_") && strings.HasSuffix(line, "_") || line == "background" {
				continue
			}
			list = append(list, line)
		}
		return list, nil
	}
	return nil, nil
}
