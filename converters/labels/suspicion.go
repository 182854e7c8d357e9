package labels

import "github.com/vision-platform/trainer-agent/converters/dataset"

// minCorners is from how many boxes on that stick out a dataset may be written in
// corners.
const minCorners = 3

// corners is how many boxes stick out of their image as x, y, width, height, where
// the whole dataset reads as corners: no box contradicts them, and more than a
// quarter of the boxes make no sense otherwise. In a dataset of true widths the boxes
// on the right and at the bottom contradict.
func corners(c *dataset.Catalog) (out int) {
	boxes := 0
	for i := range c.Objects.Len() {
		o := c.Objects.At(i)
		if !o.HasBox || o.Format != dataset.XYWH {
			continue
		}
		im, b := c.Images[o.Image], o.Box
		if im.Width == 0 || im.Height == 0 {
			continue // how large it is stands in the file alone
		}
		width, height := float64(im.Width), float64(im.Height)
		if !(b[2] > b[0] && b[3] > b[1] && b[0] >= 0 && b[1] >= 0 && b[2] <= width+1 && b[3] <= height+1) {
			return 0
		}
		boxes++
		// Beyond what rounding and a margin make of a true box.
		if b[0]+b[2] > 1.05*width+1 || b[1]+b[3] > 1.05*height+1 {
			out++
		}
	}
	if out < minCorners || out <= boxes/4 {
		return 0
	}
	return out
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
