package platform

import (
	"fmt"

	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
)

// annotationKey numbers the known keys of an annotation. It is no map: a large
// file asks ten million times.
func annotationKey(key []byte) uint {
	switch string(key) {
	case "id":
		return 1
	case "image_id":
		return 2
	case "class_id":
		return 3
	case "category_id":
		return 4
	case "class_name":
		return 5
	case "bbox":
		return 6
	case "bbox_format":
		return 7
	case "segmentation":
		return 8
	case "keypoints":
		return 9
	case "iscrowd":
		return 10
	case "is_background":
		return 11
	case "type", "annotation_type":
		return 12
	case "geometry":
		return 13
	case "polyline", "circle":
		return 14
	case "mask_file", "mask_path":
		return 15
	case "text", "caption", "question", "text_content":
		return 16
	case "rotation", "rotation_angle":
		return 17
	case "attributes":
		return 18
	case "angle":
		return 19
	}
	return 0
}

var boxFormats = map[string]dataset.BoxFormat{
	"": dataset.XYWH, "xywh": dataset.XYWH, "xyxy": dataset.XYXY, "cxcywh": dataset.CXCYWH,
	"xywh_normalized": dataset.XYWHNormalized, "xyxy_normalized": dataset.XYXYNormalized,
	"cxcywh_normalized": dataset.CXCYWHNormalized,
}

// draft is an annotation while it is read: its keys come in any order.
type draft struct {
	object     dataset.Object
	image      int32 // index into reader.images, nested, or -1 when absent
	single     bool  // not in a list: it may be the class of the whole image
	class      use
	background bool
	bad        faults
	extra      extra
	keys       int
}

// faults are what is wrong with an annotation, naming the field.
type faults struct {
	number, shape, format, duplicate string
}

// extra is what an annotation has beyond COCO's fields.
type extra struct {
	kind     string // type
	geometry *geometry
	degrees  float64 // of a rotation beside the box
	angle    float64 // may be one, where the type says that the box is rotated
	rotated  bool    // the geometry, or the box, is rotated
	line     string  // a polyline or a circle, which is no object
	text     bool
	maskFile string
}

// annotation reads one entry of an annotations list. Image is nested or single, or
// -1 at the top level.
func (d *objects) annotation(image int32) error {
	c, err := d.s.peek()
	if err != nil {
		return err
	}
	d.entries++
	if c != '{' {
		d.problems.Add(problem.NullEntry, d.entries, "annotation %d", d.entries)
		return d.s.skip()
	}
	d.id = d.id[:0]
	a := draft{image: image, class: use{-1, -1}}
	if image == single {
		a.image, a.single = nested, true
	}
	a.object.ID = dataset.NoID
	var seen seenKeys
	numbers, rings := d.numbers, d.rings
	err = d.s.object(func(key []byte) error {
		a.keys++
		n := annotationKey(key)
		if seen.again(n) {
			a.bad.duplicate = string(key)
		}
		return d.annotationField(&a, n)
	})
	if err != nil {
		return err
	}
	d.shape(&a)
	if a.object.HasBox && d.forget(&a.object) {
		d.numbers.Undo(numbers)
		d.rings.Undo(rings)
	}
	d.add(&a)
	return d.bounded(a.image)
}

// bounded counts what was read of an image, and of all.
func (d *objects) bounded(image int32) error {
	if d.c.Objects.Len() > d.limits.Objects {
		return fmt.Errorf("more than %d annotations: %w", d.limits.Objects, errTooLarge)
	}
	if image == nested && d.c.Objects.Len()-d.first > d.limits.Each {
		return fmt.Errorf("image %s has more than %d: %w", d.imageName(), d.limits.Each, errCrowded)
	}
	if image < 0 {
		return nil
	}
	if d.count[image]++; int(d.count[image]) > d.limits.Each {
		return fmt.Errorf("image %s has more than %d: %w", d.images.list[image], d.limits.Each, errCrowded)
	}
	return nil
}

// forget drops what the task has no use for, of an object that has a box: most
// of a large file are polygons. It reports whether no coordinate is left.
func (d *objects) forget(o *dataset.Object) bool {
	if !d.task.NeedsOutlines() {
		o.Polygons, o.RLE = nil, nil
	}
	if !d.task.NeedsKeypoints() {
		o.Keypoints = nil
	}
	return o.Polygons == nil && o.Keypoints == nil
}

func (d *objects) annotationField(a *draft, key uint) (err error) {
	o := &a.object
	switch key {
	case 1:
		var b []byte
		if b, err = d.key(); err == nil {
			d.id = append(d.id[:0], b...)
			if v, ok := wholeNumber(b); ok {
				o.ID = v
			}
		}
	case 2:
		err = d.imageRef(a)
	case 3, 4:
		var b []byte
		if b, err = d.key(); err == nil && len(b) > 0 {
			a.class.id = d.classes.intern(b)
		}
	case 5:
		var b []byte
		if b, err = d.key(); err == nil && len(b) > 0 {
			a.class.name = d.byName.intern(b)
		}
	case 6:
		err = d.box(a)
	case 7:
		var b []byte
		if b, err = d.key(); err == nil {
			format, known := boxFormats[string(b)]
			if o.Format = format; !known {
				a.bad.format = string(b)
			}
		}
	case 8:
		err = d.segmentation(a)
	case 9:
		err = d.keypoints(a)
	case 10:
		o.Crowd, err = d.truth()
	case 11:
		a.background, err = d.truth()
	default:
		return d.extraField(a, key)
	}
	return err
}

func (d *objects) extraField(a *draft, key uint) (err error) {
	switch key {
	case 12:
		a.extra.kind, err = d.text()
		return err
	case 13:
		return d.geometry(a)
	case 15:
		a.extra.maskFile, err = d.text()
		return err
	case 17:
		return d.degrees(&a.extra.degrees)
	case 18:
		return d.record(func(key []byte) error {
			if string(key) == "rotation" {
				return d.degrees(&a.extra.degrees)
			}
			return d.s.skip()
		})
	case 19:
		return d.degrees(&a.extra.angle)
	}
	c, err := d.s.peek()
	if err != nil {
		return err
	}
	if key == 14 && (c == '[' || c == '{') {
		a.extra.line = map[byte]string{'[': "polyline", '{': "circle"}[c]
	}
	if key == 16 && c == '"' {
		a.extra.text = true
	}
	return d.s.skip()
}

// degrees reads a number; values of another kind are read over.
func (d *values) degrees(out *float64) error {
	c, err := d.s.peek()
	if err != nil || c != '-' && (c < '0' || c > '9') {
		return orSkip(err, d.s)
	}
	*out, _, err = d.s.number()
	return err
}

// imageRef reads image_id; inside an image it is redundant.
func (d *objects) imageRef(a *draft) error {
	b, err := d.key()
	if err != nil || a.image == nested || len(b) == 0 {
		return err
	}
	a.image = d.imageIndex(b)
	return nil
}

func (d *shapes) box(a *draft) error {
	if c, err := d.s.peek(); err != nil || c == 'n' {
		return orSkip(err, d.s)
	}
	dims, wrong, err := d.numberList()
	switch {
	case err != nil:
		return err
	case wrong != "":
		a.bad.number = "bbox " + wrong
	case len(d.flat) == 0:
	case len(d.flat) != 4 || dims != 0:
		a.bad.shape = fmt.Sprintf("bbox has %d numbers", len(d.flat))
	default:
		a.object.HasBox = true
		copy(a.object.Box[:], d.flat)
	}
	return nil
}

func orSkip(err error, s *scanner) error {
	if err != nil {
		return err
	}
	return s.skip()
}

func (d *shapes) keypoints(a *draft) error {
	if c, err := d.s.peek(); err != nil || c != '[' {
		return orSkip(err, d.s)
	}
	dims, wrong, err := d.numberList()
	switch {
	case err != nil:
		return err
	case wrong == "has points of different lengths":
		a.bad.shape = "keypoints " + wrong
	case wrong != "":
		a.bad.number = "keypoints " + wrong
	case len(d.flat) > 3*maxKeypoints || dims > 3 || dims == 1:
		a.bad.shape = fmt.Sprintf("keypoints have %d numbers, %d a point", len(d.flat), dims)
	case len(d.flat) > 0:
		a.object.Dims = uint8(dims)
		a.object.Keypoints = d.numbers.Copy(d.flat)
	}
	return nil
}

// counted bounds the coordinates of the whole file; n came to it.
func (d *values) counted(n int) error {
	if d.count += n; d.count > d.limit {
		return fmt.Errorf("more than %d coordinates: %w", d.limit, errTooLarge)
	}
	return nil
}

// name is how problems call an annotation.
func (d *objects) name(a *draft) string {
	where := ""
	switch {
	case a.image == nested:
		where = " of image " + d.imageName()
	case a.image >= 0:
		where = " of image " + d.images.list[a.image]
	}
	if len(d.id) == 0 {
		return fmt.Sprintf("annotation %d of the file%s", d.entries, where)
	}
	return "annotation " + string(d.id) + where
}

// foreign names an annotation that is of another kind than what is trained on here.
// The box around a line is no object: to take it for one would be a guess.
func (d *objects) foreign(a *draft) bool {
	unclassed := a.class == (use{-1, -1}) && !a.background
	switch {
	case a.extra.line != "":
		d.problems.Add(problem.LineAnnotation, d.entries, "%s is a %s", d.name(a), a.extra.line)
	case unclassed && (a.extra.text || geometryKind(a.extra.kind) == asText):
		d.problems.Add(problem.TextAnnotation, d.entries, "%s", d.name(a))
	case a.extra.maskFile != "" && d.task.NeedsOutlines() && !a.object.HasShape():
		d.problems.Add(problem.MaskFile, d.entries, "%s: %q", d.name(a), a.extra.maskFile)
	default:
		if a.extra.rotated && !d.task.NeedsOutlines() {
			d.problems.Add(problem.RotatedBox, d.entries, "%s", d.name(a))
		}
		return false
	}
	return true
}

// add judges a complete annotation and keeps it.
func (d *objects) add(a *draft) {
	if a.bad.duplicate != "" {
		d.problems.Add(problem.DuplicateKey, d.entries, "%s: %q", d.name(a), a.bad.duplicate)
		return
	}
	if a.bad.number != "" {
		d.problems.Add(problem.BadNumber, d.entries, "%s: %s", d.name(a), a.bad.number)
		return
	}
	if a.bad.shape != "" {
		d.problems.Add(problem.BadShape, d.entries, "%s: %s", d.name(a), a.bad.shape)
		return
	}
	if a.bad.format != "" {
		d.problems.Add(problem.BadBboxFormat, d.entries, "%s: %q", d.name(a), a.bad.format)
		return
	}
	if a.keys == 0 {
		d.problems.Add(problem.NullEntry, d.entries, "%s", d.name(a))
		return
	}
	if a.image == -1 {
		d.problems.Add(problem.UnknownImageID, d.entries, "%s has no image_id", d.name(a))
		return
	}
	if d.foreign(a) {
		return
	}
	if a.class == (use{-1, -1}) && !a.background {
		d.problems.Add(problem.NoClass, d.entries, "%s", d.name(a))
		return
	}
	a.object.Image = a.image
	a.object.Class = d.useIndex(a.class, a.background, d.entries)
	if a.image == nested && !a.object.HasGeometry() && !a.object.Crowd && d.current.Label == dataset.NoLabel &&
		(a.single || a.background) {
		d.current.Label = a.object.Class
		return
	}
	d.c.Objects.Append(a.object)
}
