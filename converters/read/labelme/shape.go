package labelme

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math"
	"strings"

	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/labels/geometry"
)

// shape is one shape, of any version: before 3.5 there is no shape_type and all
// are polygons; points are pairs of numbers.
type shape struct {
	Label  word        `json:"label"`
	Points [][]float64 `json:"points"`
	Type   string      `json:"shape_type"`
	Group  word        `json:"group_id"`
	Mask   string      `json:"mask"` // a PNG in base64, for the box of points
}

// shapes are the shapes of one image.
type shapes []shape

var errShapes = errors.New("it has too many shapes")

// UnmarshalJSON reads one after the other: the emptiest takes a fiftieth of the memory in
// the file.
func (s *shapes) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return errors.Join(errors.New("shapes is no list"), err)
	}
	for d.More() {
		if len(*s) == dataset.MaxObjectsPerImage {
			return errShapes
		}
		var one shape
		if err := d.Decode(&one); err != nil {
			return err
		}
		*s = append(*s, one)
	}
	return nil
}

// word is a text, or a number that is taken as one.
type word struct{ text string }

func (w *word) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	if b[0] == '"' {
		return json.Unmarshal(b, &w.text)
	}
	w.text = string(b)
	return nil
}

func (s *shape) kind() string {
	if s.Type == "" {
		return "polygon"
	}
	return strings.ToLower(s.Type)
}

// leftOut is what is wrong with a shape that encloses nothing.
const leftOut = "encloses nothing"

// circlePoints is of how many points the polygon of a circle is.
const circlePoints = 48

// read makes an object of the catalog, or says what is wrong with the shape.
func (s *shape) read() (o dataset.Object, wrong string) {
	flat := make([]float64, 0, 2*len(s.Points))
	for _, p := range s.Points {
		if len(p) < 2 {
			return o, "has a point without two numbers"
		}
		flat = append(flat, p[0], p[1])
	}
	o.Format = dataset.XYXY
	switch kind := s.kind(); kind {
	case "polygon", "rotation", "quadrilateral":
		if len(s.Points) < 3 {
			return o, fmt.Sprintf("is a %s of %d points", kind, len(s.Points))
		}
		o.Polygons = [][]float64{flat}
	case "rectangle":
		if len(s.Points) != 2 && len(s.Points) != 4 {
			return o, fmt.Sprintf("is a rectangle of %d points", len(s.Points))
		}
		o.HasBox, o.Box = true, around(flat)
		b := o.Box
		o.Polygons = [][]float64{{b[0], b[1], b[2], b[1], b[2], b[3], b[0], b[3]}}
	case "circle":
		if len(s.Points) != 2 {
			return o, fmt.Sprintf("is a circle of %d points", len(s.Points))
		}
		o.Polygons = [][]float64{circle(flat)}
	case "mask":
		return s.mask(flat)
	default:
		return o, leftOut // point, line, linestrip, points
	}
	return o, ""
}

func around(flat []float64) [4]float64 {
	box := [4]float64{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	for i := 0; i+1 < len(flat); i += 2 {
		box[0], box[2] = min(box[0], flat[i]), max(box[2], flat[i])
		box[1], box[3] = min(box[1], flat[i+1]), max(box[3], flat[i+1])
	}
	return box
}

// circle is given by its centre and a point on it.
func circle(flat []float64) []float64 {
	radius := math.Hypot(flat[2]-flat[0], flat[3]-flat[1])
	ring := make([]float64, 0, 2*circlePoints)
	for i := range circlePoints {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / circlePoints)
		ring = append(ring, flat[0]+radius*cos, flat[1]+radius*sin)
	}
	return ring
}

// maxMaskPixels bounds a mask: it is unpacked.
const maxMaskPixels = 64 << 20

// mask outlines a mask by the runs of its rows. It lies in the box of its two points.
func (s *shape) mask(flat []float64) (o dataset.Object, wrong string) {
	if len(s.Points) != 2 {
		return o, "is a mask without the two points of its box"
	}
	packed, err := base64.StdEncoding.DecodeString(s.Mask)
	if err != nil {
		return o, "has a mask that is no base64"
	}
	config, err := png.DecodeConfig(bytes.NewReader(packed))
	if err != nil || config.Width < 1 || config.Width > maxMaskPixels/max(config.Height, 1) {
		return o, "has a mask that is no PNG"
	}
	im, err := png.Decode(bytes.NewReader(packed))
	if err != nil {
		return o, "has a mask that is no PNG"
	}
	o.Polygons = outline(im, math.Round(flat[0]), math.Round(flat[1]))
	if len(o.Polygons) == 0 {
		return o, leftOut
	}
	return o, ""
}

// outline traces the regions of a picture that are not black.
func outline(im image.Image, left, top float64) [][]float64 {
	b := im.Bounds()
	mask := &dataset.RLE{Height: b.Dy(), Width: b.Dx()}
	on, run := false, uint32(0)
	for x := b.Min.X; x < b.Max.X; x++ {
		for y := b.Min.Y; y < b.Max.Y; y++ {
			r, g, blue, _ := im.At(x, y).RGBA()
			if lit := r|g|blue != 0; lit != on {
				mask.Counts = append(mask.Counts, run)
				on, run = lit, 0
			}
			run++
		}
	}
	mask.Counts = append(mask.Counts, run)
	rings, _ := geometry.Outlines(mask) // holes are filled, as in every label of one ring
	for _, ring := range rings {
		for i := range ring {
			ring[i] += [2]float64{left, top}[i%2]
		}
	}
	return rings
}
