// Package labels turns annotations into objects that may be trained on: boxes
// and polygons clipped to the displayed frame, skeletons of one length, and
// nothing that a reader would misread.
//
// It promises that an object is either returned, in range and with an area, or
// counted in the list of problems; and never a lesser label than the task needs.
// It leaves the text of the labels to the writers.
package labels

import (
	"math"
	"strconv"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/labels/geometry"
)

// minSide is the smallest side of a box, as a fraction of the image's: labels
// are written with six decimals, and a smaller one would read as zero.
const minSide = 1e-6

// maxCoordinate is far beyond any image, in pixels, and far from where the
// arithmetic of float64 overflows.
const maxCoordinate = 1e9

// Object is one object in the pixels of the displayed frame.
type Object struct {
	Index     int // of the annotation in the catalog
	Class     int
	Box       [4]float64      // x1, y1, x2, y2, inside the frame
	Rings     []geometry.Ring // outlines; for segmentation tasks only
	Keypoints []float64       // x, y, v of every point; for pose only
	Mask      *dataset.RLE    // the mask that Rings were traced from
	Crowd     bool
}

// Rules say what the objects are for.
type Rules struct {
	Task     contract.TaskType
	Masks    bool // the format has masks, and can say that an object is a crowd
	Skeleton Skeleton
	Shapes   bool // some annotation of the dataset has an outline
}

// Frame is the displayed size of an image's file; 0 where it has none that is used.
type Frame func(image int) (width, height int)

// NewRules looks over the whole catalog: what its keypoints look like, and
// whether it has what the task needs at all.
func NewRules(c *dataset.Catalog, task contract.TaskType, masks bool, frame Frame, problems *problem.List) Rules {
	r := Rules{Task: task, Masks: masks}
	geometric, shapes, points := 0, 0, 0
	for i := range c.Objects.Len() {
		o := c.Objects.At(i)
		if o.HasGeometry() {
			geometric++
		}
		if o.HasShape() {
			shapes++
		}
		if o.Keypoints != nil {
			points++
		}
	}
	r.Shapes = shapes > 0
	if r.Task.NeedsOutlines() && geometric > 0 && shapes == 0 {
		problems.AddN(problem.NoPolygons, geometric, 0, "none of %d has", geometric)
	}
	if r.Task.NeedsKeypoints() && geometric > 0 && points == 0 {
		problems.AddN(problem.NoKeypoints, geometric, 0, "none of %d has", geometric)
	}
	if r.Task.NeedsKeypoints() && points > 0 {
		r.Skeleton = newSkeleton(c)
		if !anyVisible(c, r.Skeleton.Dims) {
			problems.AddN(problem.NoVisibleKeypoints, points, 0, "none of %d has one", points)
		}
	}
	if n := r.corners(c, frame); n > 0 {
		problems.AddN(problem.BboxLooksCorners, n, 0, "of %d", c.Objects.Len())
	}
	return r
}

// Clean appends the usable objects of image i, width × height pixels, to dst. It
// may be called from several goroutines.
func (r Rules) Clean(dst []Object, c *dataset.Catalog, i int, width, height int, problems *problem.List) []Object {
	if c.Images[i].Label >= 0 {
		problems.Add(problem.ClassOfWholeImage, i, "image %s", c.Images[i].ID)
	}
	for _, k := range c.ObjectsOf(i) {
		one := cleaner{r, c, c.Objects.At(int(k)), int(k), float64(width), float64(height), problems}
		if o, ok := one.clean(); ok {
			dst = append(dst, o)
		}
	}
	return dst
}

// cleaner is one object on its way.
type cleaner struct {
	Rules
	c             *dataset.Catalog
	o             *dataset.Object
	index         int
	width, height float64
	problems      *problem.List
}

func (c cleaner) report(kind problem.Kind) {
	name := "annotation number " + strconv.Itoa(c.index+1)
	if c.o.ID != dataset.NoID {
		name = "annotation " + strconv.FormatInt(c.o.ID, 10)
	}
	c.problems.Add(kind, c.index, "%s of image %s", name, c.c.Images[c.o.Image].ID)
}

func (c cleaner) clean() (Object, bool) {
	out := Object{Index: c.index, Class: int(c.o.Class), Crowd: c.o.Crowd}
	if c.o.Crowd && !c.Masks {
		c.report(problem.CrowdSkipped)
		return out, false
	}
	if c.Task.NeedsOutlines() || (!c.o.HasBox && c.o.HasShape()) {
		return c.shaped(out)
	}
	if !c.o.HasBox {
		c.report(problem.NoBbox)
		return out, false
	}
	box, ok := c.box()
	if !ok {
		return out, false
	}
	out.Box = box
	if c.Task.NeedsKeypoints() {
		out.Keypoints, ok = c.keypoints()
	}
	return out, ok
}

// asCorners is the annotation's box as left, top, right and bottom, in pixels.
func (c cleaner) asCorners() (box [4]float64) {
	b := c.o.Box
	switch c.o.Format {
	case dataset.XYWH, dataset.XYWHNormalized:
		box = [4]float64{b[0], b[1], b[0] + b[2], b[1] + b[3]}
	case dataset.XYXY, dataset.XYXYNormalized:
		box = b
	case dataset.CXCYWH, dataset.CXCYWHNormalized:
		box = [4]float64{b[0] - b[2]/2, b[1] - b[3]/2, b[0] + b[2]/2, b[1] + b[3]/2}
	}
	if c.o.Format >= dataset.XYWHNormalized {
		box[0], box[2] = box[0]*c.width, box[2]*c.width
		box[1], box[3] = box[1]*c.height, box[3]*c.height
	}
	return box
}

// box converts and clips the annotation's box.
func (c cleaner) box() (box [4]float64, ok bool) {
	b := c.o.Box
	box = c.asCorners()
	if c.farOut(box[:]) {
		return box, false
	}
	if c.inPixels() && box[2] > box[0] && box[3] > box[1] && max(b[0], b[1], b[2], b[3]) <= 1 {
		c.report(problem.BboxLooksNormalized)
		return box, false
	}
	return c.clip(box)
}

// farOut reports coordinates that nobody can have meant.
func (c cleaner) farOut(values []float64) bool {
	for _, v := range values {
		if !(math.Abs(v) <= maxCoordinate) {
			c.report(problem.CoordinateTooLarge)
			return true
		}
	}
	return false
}

func (c cleaner) clip(box [4]float64) ([4]float64, bool) {
	if !(box[2] > box[0] && box[3] > box[1]) {
		c.report(problem.DegenerateBbox)
		return box, false
	}
	if c.otherSize() && c.fitsOther(box) && !c.wholeImage(box) {
		c.report(problem.FitsOtherSize)
	}
	cut := [4]float64{max(box[0], 0), max(box[1], 0), min(box[2], c.width), min(box[3], c.height)}
	if cut[0] >= cut[2] || cut[1] >= cut[3] {
		c.report(problem.ObjectOutside)
		return cut, false
	}
	if (cut[2]-cut[0])/c.width < minSide || (cut[3]-cut[1])/c.height < minSide {
		c.report(problem.DegenerateBbox)
		return cut, false
	}
	// A box that sticks out by rounding only is not worth a word.
	if max(cut[0]-box[0], cut[1]-box[1], box[2]-cut[2], box[3]-cut[3]) > 0.5 {
		c.report(problem.ObjectClipped)
	}
	return cut, true
}
