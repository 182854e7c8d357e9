package labels

import (
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
)

// minCorners is from how many boxes on that stick out a dataset may be written in
// corners.
const minCorners = 5

// corners is how many boxes stick out of their image as they are read, where the
// whole dataset reads as corners: no box contradicts them, and more than a quarter
// of the boxes make no sense otherwise. In a dataset of true widths the boxes on the
// right and at the bottom contradict.
func (r Rules) corners(c *dataset.Catalog, frame Frame) (out int) {
	boxes := 0
	for i := range c.Objects.Len() {
		o := c.Objects.At(i)
		if !r.usesBox(o) {
			continue
		}
		width, height := 1.0, 1.0
		switch o.Format {
		case dataset.CXCYWHNormalized:
		case dataset.XYWH:
			width, height = widest(c, int(o.Image), frame)
		default:
			continue // it was declared
		}
		b := o.Box
		if width == 0 || height == 0 {
			continue
		}
		if !(b[2] > b[0] && b[3] > b[1] && b[0] >= 0 && b[1] >= 0 && b[2] <= slack*width && b[3] <= slack*height) {
			return 0
		}
		boxes++
		if right, bottom := far(o.Format, b); right > margin*width || bottom > margin*height {
			out++
		}
	}
	if out < minCorners || out <= boxes/4 {
		return 0
	}
	return out
}

// usesBox reports whether the task takes the object's box: an outline counts before it,
// and a class is one of the whole image.
func (r Rules) usesBox(o *dataset.Object) bool {
	if r.Task == contract.TaskImageClassification || r.Task == contract.TaskZeroShotClassification {
		return false
	}
	return o.HasBox && (!r.Task.NeedsOutlines() || !o.HasShape())
}

// widest is the size of an image that no box may exceed, 0 where it has no file or the
// annotations say none: whoever wrote those need not have known the image. They may say
// a size that is wrong, that of a photo lying on its side, for one.
func widest(c *dataset.Catalog, i int, frame Frame) (width, height float64) {
	w, h := frame(i)
	if w == 0 || h == 0 || c.Images[i].Width == 0 || c.Images[i].Height == 0 {
		return 0, 0
	}
	return float64(max(w, int(c.Images[i].Width))), float64(max(h, int(c.Images[i].Height)))
}

// What rounding adds to a box, and what no annotator adds to a true one, as factors.
const (
	slack  = 1.01
	margin = 1.05
)

// far is the right and the bottom side of a box.
func far(format dataset.BoxFormat, b [4]float64) (right, bottom float64) {
	if format == dataset.XYWH {
		return b[0] + b[2], b[1] + b[3]
	}
	return b[0] + b[2]/2, b[1] + b[3]/2
}

// otherSize reports that the annotations say another size than the image's file has.
func (c cleaner) otherSize() bool {
	im := &c.c.Images[c.o.Image]
	return im.Width > 0 && im.Height > 0 && (float64(im.Width) != c.width || float64(im.Height) != c.height) && c.inPixels()
}

// fitsOther reports bounds that reach beyond the image's file and fit the size that the
// annotations say: the coordinates are those of another file.
func (c cleaner) fitsOther(b [4]float64) bool {
	im := &c.c.Images[c.o.Image]
	return (b[2] > margin*c.width || b[3] > margin*c.height) && b[2] <= slack*float64(im.Width) && b[3] <= slack*float64(im.Height)
}

// wholeImage reports a box around all of the image that the annotations are of: clipped
// to a smaller file it is one around all of that.
func (c cleaner) wholeImage(b [4]float64) bool {
	im := &c.c.Images[c.o.Image]
	width, height := float64(im.Width), float64(im.Height)
	left, top := (slack-1)*width, (slack-1)*height
	return b[0] <= left && b[1] <= top && b[2] >= width-left && b[3] >= height-top && width >= c.width && height >= c.height
}

// disjoint reports a box, if it is one, that does not touch the other: tools that know
// of outlines only write 0, 0, 0, 0.
func disjoint(a, b [4]float64) bool {
	if a[0] >= a[2] || a[1] >= a[3] {
		return false
	}
	return a[2] < b[0] || b[2] < a[0] || a[3] < b[1] || b[3] < a[1]
}

// anyVisible reports whether some keypoint of the dataset is labelled.
func anyVisible(c *dataset.Catalog, dims int) bool {
	for i := range c.Objects.Len() {
		o := c.Objects.At(i)
		if o.Dims != 0 {
			dims = int(o.Dims)
		}
		if o.Keypoints != nil && dims != 3 {
			return true
		}
		for k := 2; k < len(o.Keypoints); k += 3 {
			if o.Keypoints[k] != 0 {
				return true
			}
		}
	}
	return false
}
