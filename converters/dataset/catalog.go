// Package dataset is a dataset in memory: classes, images and objects, whatever
// file they were read from.
//
// It promises compact storage without large reallocations (a million objects and
// ten million polygon points stay well below half a gigabyte) and objects that
// can be walked image by image. It leaves reading to platform and foreign, and
// judging to the writers.
package dataset

import (
	"encoding/json"

	"github.com/vision-platform/trainer-agent/contract"
)

// Catalog is one dataset.
type Catalog struct {
	ID      string // dataset_id, may be empty
	Classes []Class
	Images  []Image
	Objects Chunks[Object]
	Split   *contract.SplitStrategy // split_config, or nil

	// Fixed says that the split of the images is the dataset's layout, not a field of
	// theirs: nothing of it is moved.
	Fixed bool
	// Only is the split of a layout that has all images for validation, or all for
	// testing; their fields do not have it.
	Only contract.Split
	// ImageRoot is storage_info.image_root, may be empty.
	ImageRoot string
	// KeypointNames are the names of the skeleton's points; nil when unknown.
	KeypointNames []string
	// Beside are image files of the dataset that are labels, not images.
	Beside []string
	// Flip is the index of each keypoint's mirror image; nil when unknown.
	Flip []int

	order  []int32 // object indexes grouped by image
	starts []int32 // starts[i]:starts[i+1] of order are the objects of image i
	counts []int32 // objects that Add added to each image
}

// Class is one class. The index of a class is its place in Catalog.Classes,
// which is in id order.
type Class struct {
	ID   json.RawMessage // as the dataset spells it: a number or a string
	Name string
}

// Labels of an image that are not a class index.
const (
	NoLabel    = -1 // nothing is said
	Background = -2 // the image is said to show none of the classes
	ManyLabels = -3 // more than one class
)

// Image is one image as the dataset describes it.
type Image struct {
	ID       string // a number as its decimal text
	File     string // as the dataset spells it
	Width    int32  // pixels of the displayed frame; 0 when unknown
	Height   int32
	Label    int32          // class of the whole image, or one of the constants above
	Split    contract.Split // the image's own; empty for null
	HasSplit bool           // there is a split field, even if it is null
	Numeric  bool           // the id is a number in the file
}

// BoxFormat is how the four numbers of a box are meant.
type BoxFormat uint8

// The box formats of the contract. The normalised ones are fractions of the
// image's width and height.
const (
	XYWH BoxFormat = iota // left, top, width, height: the default
	XYXY                  // left, top, right, bottom
	CXCYWH
	XYWHNormalized
	XYXYNormalized
	CXCYWHNormalized
)

// Object is one annotation with geometry, or an image-level label in a list.
type Object struct {
	ID        int64 // as in the file; NoID when there is none
	Image     int32 // index into Images
	Class     int32 // index into Classes
	Format    BoxFormat
	HasBox    bool
	Crowd     bool
	Dims      uint8 // numbers a keypoint: 2, 3, or 0 when the file does not say
	Box       [4]float64
	Polygons  [][]float64 // rings, each x1, y1, x2, y2, … in pixels
	Keypoints []float64   // flat, in pixels
	RLE       *RLE
}

// NoID marks an object whose annotation has no id.
const NoID = -1 << 63

// RLE is a COCO run-length mask, column-major, starting with a run of zeros.
type RLE struct {
	Height, Width int
	Counts        []uint32
}

// HasShape reports whether the object has an outline.
func (o *Object) HasShape() bool { return len(o.Polygons) > 0 || o.RLE != nil }

// HasGeometry reports whether the object is more than a label.
func (o *Object) HasGeometry() bool { return o.HasBox || o.HasShape() || o.Keypoints != nil }

// Arrange groups the objects by image, in file order. It is called once, after
// the last object was added.
func (c *Catalog) Arrange() {
	c.starts = make([]int32, len(c.Images)+1)
	n := c.Objects.Len()
	for i := range n {
		c.starts[c.Objects.At(i).Image+1]++
	}
	for i := range c.Images {
		c.starts[i+1] += c.starts[i]
	}
	next := make([]int32, len(c.Images))
	copy(next, c.starts)
	c.order = make([]int32, n)
	for i := range n {
		image := c.Objects.At(i).Image
		c.order[next[image]] = int32(i)
		next[image]++
	}
}

// KeepImages leaves out the other images, with their objects.
func (c *Catalog) KeepImages(keep func(*Image) bool) {
	at := make([]int32, len(c.Images)) // where an image is now, or -1
	rest := c.Images[:0]
	for i := range c.Images {
		if at[i] = -1; keep(&c.Images[i]) {
			at[i] = int32(len(rest))
			rest = append(rest, c.Images[i])
		}
	}
	c.Images = rest
	c.Objects.Keep(func(o *Object) bool {
		o.Image = at[o.Image]
		return o.Image >= 0
	})
	c.Arrange()
}

// ObjectsOf are the indexes of the objects of image i, in file order.
func (c *Catalog) ObjectsOf(i int) []int32 { return c.order[c.starts[i]:c.starts[i+1]] }
