package labels

import (
	"math"

	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/labels/geometry"
)

// Fractions of the image that nobody declared as such are polygons and keypoints
// of less than a pixel, which no reader objects to: the training learns nothing.

// inPixels reports whether the annotation says that its numbers are pixels.
func (c cleaner) inPixels() bool {
	return c.o.Format < dataset.XYWHNormalized && c.width > 1 && c.height > 1
}

// ringsAreFractions reports whether all rings lie in the first pixel.
func (c cleaner) ringsAreFractions(rings []geometry.Ring) bool {
	broken := false
	for _, r := range rings {
		if !inFirstPixel(r) {
			return false
		}
		broken = broken || !whole(r)
	}
	return broken && c.inPixels()
}

// pointsAreFractions reports whether all labelled keypoints lie in the first pixel.
func (c cleaner) pointsAreFractions(dims int) bool {
	broken := false
	for i := 0; i+dims <= len(c.o.Keypoints); i += dims {
		if dims == 3 && c.o.Keypoints[i+2] == 0 {
			continue
		}
		xy := c.o.Keypoints[i : i+2]
		if !inFirstPixel(xy) {
			return false
		}
		broken = broken || !whole(xy)
	}
	return broken && c.inPixels()
}

func inFirstPixel(values []float64) bool {
	for _, v := range values {
		if v < 0 || v > 1 {
			return false
		}
	}
	return true
}

// whole tells a speck of one pixel at the image's corner from fractions.
func whole(values []float64) bool {
	for _, v := range values {
		if v != math.Trunc(v) {
			return false
		}
	}
	return true
}
