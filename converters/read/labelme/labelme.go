// Package labelme reads datasets of LabelMe and of those that write its JSON
// (AnyLabeling, X-AnyLabeling, ISAT's export): one file of shapes an image.
//
// It promises to read every version's shapes, those without a type as polygons and
// those of one group as parts of one object, and to name the shapes that enclose
// nothing. It leaves the picture in imageData alone: the image's file counts.
package labelme

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
	"github.com/vision-platform/trainer-agent/converters/read/platform"
	"github.com/vision-platform/trainer-agent/converters/text"
)

// maxLooks is how many JSON files are looked into before the dataset is none of
// LabelMe. maxFileBytes bounds one of them: imageData is a picture in text.
const (
	maxLooks     = 32
	maxFileBytes = 256 << 20
)

// Recognise takes JSON files with a list of shapes.
func Recognise(f *layout.Folder) (*layout.Layout, error) {
	files := f.WithSuffix(".json")
	at := slices.IndexFunc(files[:min(len(files), maxLooks)], func(name string) bool { is, _ := hasShapes(f.Path(name)); return is })
	if at < 0 {
		return nil, nil
	}
	if f.Classifies() {
		return nil, contract.Failf(contract.CodeDatasetInvalid, "The dataset is laid out for objects (LabelMe, such as %s), and %s needs one class for each image.", files[at], f.Task).
			WithHint("Train object_detection on it, or move every image into a folder that is called as its class.")
	}
	return &layout.Layout{Name: "labelme", Annotations: f.Path(files[at]), Read: func(problems *problem.List) (*dataset.Catalog, error) {
		r := &reader{f: f, pairs: layout.NewPairs(f), out: layout.NewCollector(), problems: problems}
		return r.read(files)
	}}, nil
}

// hasShapes tells by the keys that every version has. The error is for a file that ends
// before they were seen, or that is no JSON.
func hasShapes(file string) (bool, error) {
	shapes, image, keys := false, false, 0
	err := platform.Keys(file, func(key string, value byte) bool {
		keys++
		shapes = shapes || key == "shapes" && value == '['
		image = image || key == "imagePath" || key == "imageData"
		return !shapes || !image
	})
	if err == nil && keys == 0 {
		err = errors.New("it is empty")
	}
	return shapes && image, err
}

// file is one JSON file. Its imageData is passed over.
type file struct {
	Shapes shapes  `json:"shapes"`
	Image  string  `json:"imagePath"`
	Width  float64 `json:"imageWidth"`
	Height float64 `json:"imageHeight"`
}

// reader is one dataset being read.
type reader struct {
	f        *layout.Folder
	pairs    *layout.Pairs
	out      *layout.Collector
	problems *problem.List
}

func (r *reader) read(files []string) (*dataset.Catalog, error) {
	for i, name := range files {
		one, err := r.open(name)
		switch {
		case errors.Is(err, errShapes):
			return nil, dataset.TooManyIn(name)
		case err != nil:
			r.problems.Add(problem.AnnotationUnreadable, i, "%s: %v", name, err)
		case one != nil:
			if err := r.take(i, name, one); err != nil {
				return nil, err
			}
		}
	}
	declared, err := r.f.ClassList("labels.txt", "classes.txt", "class_names.txt")
	if err != nil {
		return nil, err
	}
	return r.out.Catalog(declared, r.problems), nil
}

// open is nil for a file that is about something else. One that ends before it says
// what it is, is of the image that it is called as.
func (r *reader) open(name string) (*file, error) {
	if is, err := hasShapes(r.f.Path(name)); !is {
		if image, _ := r.pairs.Of(name, ""); image == "" {
			err = nil
		}
		return nil, err
	}
	f, err := os.Open(r.f.Path(name))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err != nil || info.Size() > maxFileBytes {
		return nil, fmt.Errorf("it has more than %d bytes", maxFileBytes)
	}
	content, page, err := text.NewFileReader(f)
	if err != nil {
		return nil, fmt.Errorf("reading it: %w", err)
	}
	if page != "" {
		r.problems.Add(problem.TextNotUTF8, 0, "%s as %s", name, page)
	}
	one := new(file)
	if err := json.NewDecoder(content).Decode(one); err != nil {
		return nil, fmt.Errorf("reading JSON: %w", err)
	}
	return one, nil
}

// take adds the image of one file, and its objects.
func (r *reader) take(order int, name string, one *file) error {
	image := r.pairs.Only(r.problems, order, name, one.Image, r.out)
	if image == "" {
		return nil
	}
	at := r.out.Image(image, side(one.Width), side(one.Height), r.f.SplitOfPath(image))
	groups := make(map[string]*object)
	var list []*object
	for k := range one.Shapes {
		s := &one.Shapes[k]
		class := strings.TrimSpace(s.Label.text)
		if strings.HasPrefix(class, "__") && strings.HasSuffix(class, "__") {
			continue // __ignore__
		}
		o, wrong := s.read()
		switch {
		case class == "":
			r.problems.Add(problem.AnnotationUnreadable, order, "%s, shape %d has no label", name, k+1)
			continue
		case wrong == leftOut:
			r.problems.Add(problem.ShapeLeftOut, order, "%s, shape %d is a %s", name, k+1, s.kind())
			continue
		case wrong != "":
			r.problems.Add(problem.AnnotationUnreadable, order, "%s, shape %d %s", name, k+1, wrong)
			continue
		}
		r.note(order, name, s)
		if s.Group.text == "" || o.RLE != nil {
			list = append(list, &object{class, o})
			continue
		}
		key := s.Group.text + "\x00" + class
		if whole := groups[key]; whole != nil && whole.join(&o) {
			continue
		}
		groups[key] = &object{class, o}
		list = append(list, groups[key])
	}
	for _, o := range list {
		if err := r.out.Object(at, o.class, o.Object); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) note(order int, name string, s *shape) {
	switch s.kind() {
	case "rotation":
		if r.f.Task.NeedsOutlines() {
			return // they stay as they are
		}
		r.problems.Add(problem.RotatedBoxes, order, "%s", name)
	case "circle":
		r.problems.Add(problem.CircleRead, order, "%s", name)
	}
}

func side(v float64) int32 {
	if v >= 1 && v <= math.MaxInt32 {
		return int32(v)
	}
	return 0
}

// object is one object, of one shape or of the shapes of a group.
type object struct {
	class string
	dataset.Object
}

// join adds another part to an object; false when only one of them has an outline.
func (o *object) join(part *dataset.Object) bool {
	if o.HasBox != part.HasBox {
		return false
	}
	o.Polygons = append(o.Polygons, part.Polygons...)
	if o.HasBox {
		o.Box = [4]float64{min(o.Box[0], part.Box[0]), min(o.Box[1], part.Box[1]), max(o.Box[2], part.Box[2]), max(o.Box[3], part.Box[3])}
	}
	return true
}
