package labels

import (
	"math"
	"slices"

	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/labels/geometry"
)

// minArea is the smallest area of a ring in square pixels; collinear points
// have less.
const minArea = 1e-3

// shaped fills in the outline, and the box around it. For a detection task only
// the box is of use: the annotation had none.
func (c cleaner) shaped(out Object) (Object, bool) {
	rings, ok := c.rings(&out)
	if !ok {
		return out, false
	}
	if slices.ContainsFunc(rings, c.farOut) {
		return out, false
	}
	if c.ringsAreFractions(rings) {
		c.report(problem.ShapeLooksNormalized)
		return out, false
	}
	if c.otherSize() && c.fitsOther(geometry.Bounds(rings...)) {
		c.report(problem.FitsOtherSize)
	}
	clipped := false
	kept := rings[:0:0]
	outside := false
	for _, r := range rings {
		r = geometry.Distinct(r)
		if len(r)%2 != 0 || len(r) < 6 || math.Abs(geometry.Area(r)) < minArea && !selfCrossing(r) {
			c.report(problem.BadPolygon)
			continue
		}
		cut := geometry.Distinct(geometry.Clip(r, c.width, c.height))
		if len(cut) < 6 || tooThin(cut, c.width, c.height) {
			outside = true
			continue
		}
		clipped = clipped || !geometry.Inside(r, c.width+0.5, c.height+0.5)
		kept = append(kept, cut)
	}
	if len(kept) == 0 {
		if outside {
			c.report(problem.ObjectOutside)
		} else {
			c.report(problem.NoPolygonLeft)
		}
		return out, false
	}
	if clipped {
		c.report(problem.ObjectClipped)
	}
	out.Rings = kept
	out.Box = geometry.Bounds(kept...)
	if c.o.HasBox && disjoint(c.asCorners(), out.Box) {
		c.report(problem.BoxElsewhere)
	}
	if !c.Task.NeedsOutlines() {
		out.Rings, out.Mask = nil, nil
	}
	return out, true
}

// selfCrossing reports whether a ring without net area still covers some: the
// lobes of a figure eight count against each other. Its points are then not on
// one line.
func selfCrossing(r geometry.Ring) bool {
	for i := 4; i+1 < len(r); i += 2 {
		cross := (r[2]-r[0])*(r[i+1]-r[1]) - (r[3]-r[1])*(r[i]-r[0])
		if math.Abs(cross) > 2*minArea {
			return true
		}
	}
	return false
}

func tooThin(r geometry.Ring, width, height float64) bool {
	b := geometry.Bounds(r)
	return (b[2]-b[0])/width < minSide || (b[3]-b[1])/height < minSide
}

// rings are the annotation's outlines: its polygons, its traced mask, or, among
// others that have one, its box.
func (c cleaner) rings(out *Object) ([]geometry.Ring, bool) {
	switch {
	case len(c.o.Polygons) > 0:
		if c.o.Format >= dataset.XYWHNormalized { // polygons are in the units of the box
			return c.scaled(), true
		}
		return c.o.Polygons, true
	case c.o.RLE != nil:
		if float64(c.o.RLE.Width) != c.width || float64(c.o.RLE.Height) != c.height {
			c.report(problem.MaskSize)
			return nil, false
		}
		rings, holes := geometry.Outlines(c.o.RLE)
		if holes > 0 && !c.Masks {
			c.report(problem.MaskHolesFilled)
		}
		if len(rings) == 0 {
			c.report(problem.NoPolygonLeft)
			return nil, false
		}
		out.Mask = c.o.RLE
		return rings, true
	case !c.Shapes:
		return nil, false // counted once for the dataset
	case !c.o.HasBox:
		c.report(problem.NoPolygonLeft)
		return nil, false
	}
	box, ok := c.box()
	if !ok {
		return nil, false
	}
	c.report(problem.BoxAsPolygon)
	return []geometry.Ring{{box[0], box[1], box[2], box[1], box[2], box[3], box[0], box[3]}}, true
}

func (c cleaner) scaled() []geometry.Ring {
	rings := make([]geometry.Ring, len(c.o.Polygons))
	for i, r := range c.o.Polygons {
		rings[i] = make(geometry.Ring, len(r))
		for k := range r {
			rings[i][k] = r[k] * [2]float64{c.width, c.height}[k%2]
		}
	}
	return rings
}
