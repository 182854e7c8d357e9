package platform

import (
	"errors"
	"fmt"
	"io"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
)

// Limits bound what a file may ask for; zero means the default.
type Limits struct {
	Bytes   int64 // of the file
	Images  int
	Objects int
	Each    int // objects of one image
	Numbers int // coordinates of polygons and keypoints
}

// DefaultLimits hold every dataset that was published with boxes, and COCO's outlines twenty times.
var DefaultLimits = Limits{Bytes: 8 << 30, Images: 5_000_000, Objects: dataset.MaxObjects, Each: dataset.MaxObjectsPerImage, Numbers: 300_000_000}

// errTooLarge wraps every exceeded limit.
var errTooLarge = errors.New("more than this agent reads")

// errCrowded is for an image of more objects than Limits.Each.
var errCrowded = errors.New("no image is read with as many objects")

// Read reads one annotations file for a task: outlines and keypoints that it has
// no use for are checked and not kept. Problems of the content go to the list; the
// error, a *contract.Failure, is for what cannot be read on from: broken JSON,
// a limit, a read error.
func Read(r io.Reader, name string, task contract.TaskType, problems *problem.List, limits Limits) (*dataset.Catalog, error) {
	d := newReader(&limitedReader{r: r, left: limits.Bytes}, task, problems, limits)
	err := d.top()
	if err == nil && !d.s.atEnd() {
		err = d.s.fail("more text after the end of the object")
	}
	if err == nil && d.s.readErr != nil {
		err = d.s.readErr
	}
	if err != nil {
		return nil, failure(name, err)
	}
	d.resolve()
	return d.c, nil
}

func failure(name string, err error) *contract.Failure {
	if errors.Is(err, errTooLarge) {
		return contract.Failf(contract.CodeDatasetTooLarge, "%s cannot be read: %w.", name, err).
			WithHint("Split the dataset into smaller ones.")
	}
	if errors.Is(err, errCrowded) {
		return contract.Failf(contract.CodeDatasetTooLarge, "%s cannot be read: %w.", name, err).
			WithHint("See whether its annotations were written over and over; an image that truly shows as many is cut into tiles.")
	}
	var syntax *syntaxError
	switch {
	case errors.Is(err, errShape):
		return contract.Failf(contract.CodeDatasetInvalid, "%s is not in Platform Format: %w.", name, err).
			WithHint("The file is an object with the lists images, classes and, as it may be, annotations.")
	case errors.As(err, &syntax):
		return contract.Failf(contract.CodeDatasetInvalid, "%s is not valid JSON: %w.", name, err).
			WithHint("Write the file again with a JSON library and check it before uploading.")
	}
	return contract.Failf(contract.CodeDatasetInvalid, "Reading %s failed: %w.", name, err)
}

// errShape wraps the errors of JSON that is whole and says something else.
var errShape = errors.New("it has another shape")

func (s *scanner) misshapen(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errShape, s.fail(format, args...))
}

// limitedReader fails, instead of ending, past its limit.
type limitedReader struct {
	r    io.Reader
	left int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, fmt.Errorf("the file is too long: %w", errTooLarge)
	}
	return n, err
}

// reader is the state of one Read: the top of the file and its images.
type reader struct {
	*objects
	mask    string // mask_file of the image being read
	url     string // coco_url of the image being read
	wrapped bool   // inside the "annotations" of a snapshot
	inside  bool   // and a key of the format was there
	strange bool   // and there were others only
}

// objects reads annotations, wherever in the file they stand.
type objects struct {
	*shapes
	vocabulary
	gallery
	task     contract.TaskType
	c        *dataset.Catalog
	problems *problem.List
	limits   Limits
	current  *dataset.Image // being read, for the names of problems
	first    int            // object of the image being read
	id       []byte         // of the annotation being read, as text
	entries  int            // annotations so far, of every kind
}

// shapes reads what is drawn of an object.
type shapes struct {
	*values
	numbers dataset.Slab[float64]
	rings   dataset.Slab[[]float64]
	ringBuf [][]float64
}

// vocabulary is the classes: as they are declared, and as annotations use them.
type vocabulary struct {
	declared []declared
	classes  names // by id text
	byName   names
	uses     map[use]*useCount
	useList  []use
}

// gallery is the images: as they are listed, and as annotations name them.
type gallery struct {
	images names   // by id, in order of appearance in images or annotations
	count  []int32 // images.index -> annotations at the top level that name it
	listed []int32 // images.index -> index into the catalog's images, -1 while only annotations named it
	files  map[string]struct{}
}

// use is a pair of class id and class name as an annotation has them; -1 when
// one is absent.
type use struct{ id, name int32 }

type useCount struct {
	index int32 // into vocabulary.useList
	n     int
	first int // annotation
}

// names interns strings: each gets the next index.
type names struct {
	index map[string]int32
	list  []string
}

func (n *names) intern(text []byte) int32 {
	if i, ok := n.index[string(text)]; ok {
		return i
	}
	if n.index == nil {
		n.index = make(map[string]int32)
	}
	i, s := int32(len(n.list)), string(text)
	n.index[s] = i
	n.list = append(n.list, s)
	return i
}

func newReader(r io.Reader, task contract.TaskType, problems *problem.List, limits Limits) *reader {
	in := &values{s: newScanner(r), limit: limits.Numbers}
	return &reader{objects: &objects{
		shapes: &shapes{values: in}, task: task, c: &dataset.Catalog{}, problems: problems, limits: limits,
		vocabulary: vocabulary{uses: make(map[use]*useCount)}, gallery: gallery{files: make(map[string]struct{})},
	}}
}

// top reads the outermost object, or the one that a snapshot wraps as
// "annotations".
func (d *reader) top() error {
	if c, err := d.s.peek(); err != nil {
		return err
	} else if c != '{' {
		if c == '[' || c == '"' {
			return d.s.misshapen("expected an object, found %q", c)
		}
		return d.s.fail("expected an object, found %q", c)
	}
	var seen seenKeys
	return d.s.object(func(key []byte) error {
		name := string(key)
		if d.wrapped {
			known := topKeys[name] > 0
			d.strange, d.inside = !d.inside && !known, d.inside || known
		}
		if seen.again(topKeys[name]) {
			d.problems.Add(problem.DuplicateKey, 0, "top level: %q", name)
		}
		switch name {
		case "dataset_id":
			text, err := d.text()
			d.c.ID = text
			return err
		case "classes", "categories":
			return d.list(name, func() error { return d.class(d.values) })
		case "images":
			return d.list(name, d.image)
		case "annotations":
			if c, err := d.s.peek(); err == nil && c == '{' && !d.wrapped {
				return d.snapshot()
			}
			return d.list(name, func() error { return d.annotation(-1) })
		case "split_config":
			return d.splitConfig()
		case "storage_info":
			return d.storageInfo()
		case "text_labels":
			return d.list(name, func() error {
				d.problems.Add(problem.TextLabel, d.entries, "in text_labels")
				return d.s.skip()
			})
		case "keypoint_names":
			list, err := d.strings(maxKeypoints)
			d.nameKeypoints(list)
			return err
		}
		return d.s.skip()
	})
}

// snapshot reads the object that one wraps. Annotations by the id of their image, which
// are an object too, would come out as none at all.
func (d *reader) snapshot() error {
	d.wrapped = true
	if err := d.top(); err != nil {
		return err
	}
	if d.strange {
		return d.s.misshapen("%q is no list, and no dataset of its own", "annotations")
	}
	return nil
}

var topKeys = map[string]uint{"images": 1, "annotations": 2, "classes": 3, "categories": 3, "split_config": 4}

// seenKeys tells when a known key of one object comes again. Key 0 is unknown.
type seenKeys uint64

func (s *seenKeys) again(key uint) bool {
	bit := seenKeys(1) << key
	twice := key != 0 && *s&bit != 0
	*s |= bit
	return twice
}

func (d *reader) storageInfo() error {
	return d.record(func(key []byte) error {
		if string(key) != "image_root" {
			return d.s.skip()
		}
		text, err := d.text()
		d.c.ImageRoot = text
		return err
	})
}

// nameKeypoints keeps the first names that are given.
func (d *objects) nameKeypoints(list []string) {
	if d.c.KeypointNames == nil {
		d.c.KeypointNames = list
	}
}

// maxKeypoints is more than any skeleton has; a face mesh has 478.
const maxKeypoints = 4096
