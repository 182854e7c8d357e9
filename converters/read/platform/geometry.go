package platform

import (
	"math"
	"strings"

	"github.com/vision-platform/trainer-agent/converters/dataset"
	outline "github.com/vision-platform/trainer-agent/converters/labels/geometry"
)

// geometry is what the platform's labeler writes for a shape that it has no field
// for: {"type": "rotated_bbox", "geometry": {"cx": …, "angle": …}}.
type geometry struct {
	kind    string // as it is written; empty when only the annotation has a type
	numbers map[string]float64
	points  []float64
	dims    int // of points
	wrong   string
}

// What a type of geometry is read as.
const (
	asBox       = "box"
	asRotated   = "rotated box"
	asPolygon   = "polygon"
	asKeypoints = "keypoints"
	asLine      = "line"
	asText      = "text"
	asNothing   = "nothing"
)

// separators are those between the words of a type.
var separators = strings.NewReplacer("_", "", "-", "", " ", "")

// geometryKind is what a type means, in whatever of its spellings.
func geometryKind(name string) string {
	word := separators.Replace(strings.ToLower(name))
	switch {
	case strings.Contains(word, "rotat"), strings.Contains(word, "orient"), word == "obb":
		return asRotated
	case word == "bbox", word == "box", word == "rectangle", word == "boundingbox":
		return asBox
	case strings.Contains(word, "polygon"):
		return asPolygon
	case strings.Contains(word, "keypoint"), word == "pose", word == "skeleton":
		return asKeypoints
	case strings.Contains(word, "line"), strings.Contains(word, "circle"), strings.Contains(word, "ellipse"):
		return asLine
	case strings.Contains(word, "caption"), strings.Contains(word, "text"), strings.Contains(word, "description"), word == "qa":
		return asText
	case word == "noobject", word == "background", word == "classification":
		return asNothing
	}
	return ""
}

// geometry reads the object; null is none.
func (d *shapes) geometry(a *draft) error {
	if c, err := d.s.peek(); err != nil || c != '{' {
		return orSkip(err, d.s)
	}
	g := &geometry{numbers: make(map[string]float64)}
	a.extra.geometry = g
	return d.s.object(func(key []byte) error {
		switch name := string(key); name {
		case "type":
			text, err := d.text()
			g.kind = text
			return err
		case "bbox", "center":
			return d.corner(g, name)
		case "points", "polygon", "corners", "keypoints":
			return d.points(g)
		default:
			return d.scalar(g, name)
		}
	})
}

// scalar keeps a number; other values are read over.
func (d *shapes) scalar(g *geometry, name string) error {
	c, err := d.s.peek()
	if err != nil {
		return err
	}
	if c != '-' && (c < '0' || c > '9') {
		return d.s.skip()
	}
	v, _, err := d.s.number()
	g.numbers[name] = v
	return err
}

// corner reads bbox, or center, as the numbers that they are.
func (d *shapes) corner(g *geometry, name string) error {
	names := map[string][]string{"bbox": {"x", "y", "width", "height"}, "center": {"cx", "cy"}}[name]
	if c, err := d.s.peek(); err != nil || c == '{' {
		return d.record(func(key []byte) error {
			if name == "center" {
				return d.scalar(g, "c"+string(key))
			}
			return d.scalar(g, string(key))
		})
	}
	_, wrong, err := d.numberList()
	if err != nil {
		return err
	}
	if wrong != "" || len(d.flat) != len(names) {
		g.wrong = name + " is not " + strings.Join(names, ", ")
		return nil
	}
	for i, n := range names {
		g.numbers[n] = d.flat[i]
	}
	return nil
}

// points reads [[x, y], …], [x, y, …] or [{"x": …, "y": …}, …].
func (d *shapes) points(g *geometry) error {
	if c, err := d.s.peek(); err != nil || c != '[' {
		return orSkip(err, d.s)
	}
	g.points = nil
	return d.s.array(func() error {
		c, err := d.s.peek()
		if err != nil {
			return err
		}
		if c == '{' {
			return d.point(g)
		}
		d.flat = d.flat[:0]
		if c == '[' {
			_, g.wrong, err = d.numberList()
			g.dims = len(d.flat)
		} else {
			err = d.coordinate(c, &g.wrong)
		}
		g.points = append(g.points, d.flat...)
		return err
	})
}

// point reads {"x": 1, "y": 2, "v": 2}; the visibility has several names.
func (d *shapes) point(g *geometry) error {
	p := geometry{numbers: make(map[string]float64)}
	err := d.s.object(func(key []byte) error {
		name := string(key)
		if name == "visibility" || name == "visible" {
			name = "v"
		}
		if c, err := d.s.peek(); err == nil && (c == 't' || c == 'f') && name == "v" {
			on, err := d.truth()
			p.numbers["v"] = map[bool]float64{true: 2, false: 1}[on]
			return err
		}
		return d.scalar(&p, name)
	})
	g.points = append(g.points, p.numbers["x"], p.numbers["y"])
	g.dims = 2
	if v, flagged := p.numbers["v"]; flagged {
		g.points = append(g.points, v)
		g.dims = 3
	}
	return err
}

// shape makes of a geometry what the task's labels are made of, or says what it is.
func (d *shapes) shape(a *draft) {
	g := a.extra.geometry
	if g == nil {
		a.turn()
		return
	}
	name := g.kind
	if name == "" {
		name = a.extra.kind
	}
	kind := geometryKind(name)
	if g.wrong != "" {
		a.bad.shape = "geometry's " + g.wrong
		return
	}
	switch kind {
	case asBox:
		if box, ok := g.box(); ok && !a.object.HasBox {
			a.object.Box, a.object.HasBox = box, true
		} else if !ok && !a.object.HasBox {
			a.bad.shape = "geometry of type " + name + " has no bbox"
		}
	case asRotated, asPolygon:
		ring := g.points
		if box, ok := g.box(); ok && len(ring) == 0 {
			ring = turned(box, g.angle())
		}
		if len(ring) < 6 || g.dims == 3 {
			a.bad.shape = "geometry of type " + name + " has no corners"
			return
		}
		a.object.Polygons = [][]float64{ring}
		a.extra.rotated = kind == asRotated
		a.bounds(ring, 2)
	case asKeypoints:
		if len(g.points) == 0 {
			a.bad.shape = "geometry of type " + name + " has no points"
			return
		}
		a.object.Keypoints, a.object.Dims = g.points, uint8(g.dims)
		if box, ok := g.box(); ok && !a.object.HasBox {
			a.object.Box, a.object.HasBox = box, true
		}
		a.bounds(g.points, max(2, g.dims))
	case asLine:
		a.extra.line = name
	case asText:
		a.extra.text, a.class = true, use{-1, -1}
	case "":
		a.bad.shape = "geometry of type " + name
	}
}

// bounds gives an object without a box the one around its points.
func (a *draft) bounds(points []float64, dims int) {
	if a.object.HasBox {
		return
	}
	x1, y1, x2, y2 := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for i := 0; i+dims <= len(points); i += dims {
		if dims == 3 && points[i+2] == 0 {
			continue // not labelled
		}
		x1, y1 = min(x1, points[i]), min(y1, points[i+1])
		x2, y2 = max(x2, points[i]), max(y2, points[i+1])
	}
	if x1 <= x2 {
		a.object.Box, a.object.HasBox, a.object.Format = [4]float64{x1, y1, x2 - x1, y2 - y1}, true, dataset.XYWH
	}
}

// box is left, top, width, height, from these or from the center.
func (g *geometry) box() (box [4]float64, ok bool) {
	first := func(names ...string) (float64, bool) {
		for _, name := range names {
			if v, there := g.numbers[name]; there {
				return v, true
			}
		}
		return 0, false
	}
	w, hasW := first("width", "w")
	h, hasH := first("height", "h")
	cx, hasX := first("cx", "center_x")
	cy, hasY := first("cy", "center_y")
	if hasX && hasY && hasW && hasH {
		return [4]float64{cx - w/2, cy - h/2, w, h}, true
	}
	x, hasX := first("x", "left")
	y, hasY := first("y", "top")
	return [4]float64{x, y, w, h}, hasX && hasY && hasW && hasH
}

// angle is in degrees, clockwise as the image is seen.
func (g *geometry) angle() float64 {
	for _, name := range []string{"angle", "rotation", "rotation_angle"} {
		if v, there := g.numbers[name]; there {
			return v
		}
	}
	return g.numbers["theta"] * 180 / math.Pi
}

// turn reads a box with a rotation beside it, as CVAT writes it into COCO: the box is
// that of before the turn, about its center.
func (a *draft) turn() {
	o := &a.object
	if a.extra.angle != 0 && a.extra.degrees == 0 && geometryKind(a.extra.kind) == asRotated {
		a.extra.degrees = a.extra.angle
	}
	switch {
	case a.extra.degrees == 0 || !o.HasBox:
		return
	case o.Format >= dataset.XYWHNormalized:
		a.bad.shape = "bbox is in fractions and has a rotation, which are not read together"
		return
	case !o.HasShape():
		o.Polygons = [][]float64{turned(leftTop(o.Box, o.Format), a.extra.degrees)}
	}
	a.extra.rotated = true
	if o.Polygons != nil {
		b := outline.Bounds(o.Polygons...)
		o.Box, o.Format = [4]float64{b[0], b[1], b[2] - b[0], b[3] - b[1]}, dataset.XYWH
	}
}

// leftTop is a box as left, top, width, height.
func leftTop(b [4]float64, format dataset.BoxFormat) [4]float64 {
	switch format {
	case dataset.XYXY:
		return [4]float64{b[0], b[1], b[2] - b[0], b[3] - b[1]}
	case dataset.CXCYWH:
		return [4]float64{b[0] - b[2]/2, b[1] - b[3]/2, b[2], b[3]}
	}
	return b
}

// turned are the corners of a box (left, top, width, height) turned around its center.
func turned(b [4]float64, degrees float64) []float64 {
	return outline.Turned(b[0]+b[2]/2, b[1]+b[3]/2, b[2], b[3], degrees*math.Pi/180)
}
