package voc

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/labels/geometry"
)

// annotation is one XML file, as far as it is read.
type annotation struct {
	XMLName  xml.Name `xml:"annotation"`
	Filename string   `xml:"filename"`
	Path     string   `xml:"path"`
	Size     struct {
		Width  number `xml:"width"`
		Height number `xml:"height"`
	} `xml:"size"`
	Objects []object `xml:"object"`
}

// number is text that should be a number: people edit XML by hand.
type number string

func (n number) value() (float64, bool) {
	v, err := strconv.ParseFloat(strings.TrimSpace(string(n)), 64)
	return v, err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)
}

// side is a width or a height, 0 where it is unknown.
func (n number) side() int32 {
	if v, ok := n.value(); ok && v >= 1 && v <= math.MaxInt32 {
		return int32(v)
	}
	return 0
}

func (n number) yes() bool { v, ok := n.value(); return ok && v != 0 }

// object is one object. Its parts (a person's head) are elements of their own in it
// and are not read.
type object struct {
	Name      string   `xml:"name"`
	Difficult number   `xml:"difficult"`
	Deleted   number   `xml:"deleted"` // LabelMe's first, on the web
	Box       *box     `xml:"bndbox"`
	Rotated   *rotated `xml:"robndbox"` // roLabelImg's
	Polygon   *polygon `xml:"polygon"`  // Roboflow's, and LabelMe's first

	Attributes []struct { // CVAT's, which turn the bndbox by a rotation in degrees
		Name  string `xml:"name"`
		Value number `xml:"value"`
	} `xml:"attributes>attribute"`
}

type box struct {
	XMin number `xml:"xmin"`
	YMin number `xml:"ymin"`
	XMax number `xml:"xmax"`
	YMax number `xml:"ymax"`
}

type rotated struct {
	X     number `xml:"cx"`
	Y     number `xml:"cy"`
	W     number `xml:"w"`
	H     number `xml:"h"`
	Angle number `xml:"angle"` // radians
}

type polygon struct {
	Points []struct {
		X number `xml:"x"`
		Y number `xml:"y"`
	} `xml:"pt"`
	Flat []struct {
		XMLName xml.Name
		Value   number `xml:",chardata"`
	} `xml:",any"` // x1, y1, x2, y2, …
}

func parse(content string) (*annotation, error) {
	d := xml.NewDecoder(strings.NewReader(content))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // it is UTF-8 by now
	a := new(annotation)
	if err := d.Decode(a); err != nil {
		return nil, fmt.Errorf("reading XML: %w", err)
	}
	return a, nil
}

func (o *object) deleted() bool { return o.Deleted.yes() }

// read makes an object of the catalog, or says what is wrong with it.
func (o *object) read() (out dataset.Object, wrong string) {
	out.Format = dataset.XYXY
	if o.Box != nil {
		var ok bool
		if out.Box, ok = o.Box.values(); !ok {
			return out, "has a bndbox without four numbers"
		}
		out.HasBox = true
	}
	corners, ok := o.corners()
	if !ok {
		return out, "has a robndbox without five numbers"
	}
	if corners != nil {
		out.Polygons = [][]float64{corners}
		if o.Box == nil || o.Rotated == nil { // else both are written
			out.Box, out.HasBox = geometry.Bounds(corners), true
		}
	}
	if o.Polygon != nil {
		ring, ok := o.Polygon.ring()
		if !ok {
			return out, "has a polygon with something that is no number"
		}
		if len(ring) > 0 {
			out.Polygons = [][]float64{ring}
		}
	}
	if !out.HasBox && out.Polygons == nil {
		return out, "has neither bndbox nor polygon"
	}
	return out, ""
}

func values4(numbers ...number) (out [4]float64, ok bool) {
	for i, n := range numbers {
		if out[i], ok = n.value(); !ok {
			return out, false
		}
	}
	return out, true
}

// corners are those of a rotated box, which a detector of such trains on; nil where it
// is upright.
func (o *object) corners() (ring []float64, ok bool) {
	if r := o.Rotated; r != nil {
		b, ok := values4(r.X, r.Y, r.W, r.H)
		angle, known := r.Angle.value()
		return geometry.Turned(b[0], b[1], b[2], b[3], angle), ok && known
	}
	for _, a := range o.Attributes {
		degrees, is := a.Value.value()
		if b, ok := o.Box.values(); ok && is && degrees != 0 && strings.EqualFold(a.Name, "rotation") {
			return geometry.Turned((b[0]+b[2])/2, (b[1]+b[3])/2, b[2]-b[0], b[3]-b[1], degrees*math.Pi/180), true
		}
	}
	return nil, true
}

func (b *box) values() (out [4]float64, ok bool) {
	if b == nil {
		return out, false
	}
	return values4(b.XMin, b.YMin, b.XMax, b.YMax)
}

func (p *polygon) ring() ([]float64, bool) {
	var ring []float64
	add := func(n number) bool {
		v, ok := n.value()
		ring = append(ring, v)
		return ok
	}
	for _, pt := range p.Points {
		if !add(pt.X) || !add(pt.Y) {
			return nil, false
		}
	}
	for _, e := range p.Flat {
		if name := e.XMLName.Local; len(name) > 1 && (name[0] == 'x' || name[0] == 'y') && strings.Trim(name[1:], "0123456789") == "" && !add(e.Value) {
			return nil, false
		}
	}
	return ring, true
}
