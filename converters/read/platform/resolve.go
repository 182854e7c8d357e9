package platform

import (
	"strconv"

	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
)

// unknownClass marks an object whose class is not listed.
const unknownClass = -9

// useIndex interns how an annotation names its class. Which class that is can be
// said only at the end: classes may come after the images.
func (v *vocabulary) useIndex(u use, background bool, entry int) int32 {
	if background {
		return dataset.Background
	}
	count := v.uses[u]
	if count == nil {
		count = &useCount{index: int32(len(v.useList)), first: entry}
		v.useList = append(v.useList, u)
		v.uses[u] = count
	}
	count.n++
	return count.index
}

// resolve turns what annotations say into indexes, and takes out what is not an
// object: backgrounds, and annotations without their image or class.
func (d *reader) resolve() {
	if len(d.declared) == 0 {
		d.problems.Add(problem.NoClasses, 0, "classes and categories are empty")
	}
	if len(d.c.Images) == 0 && d.problems.Count(problem.NoFileName) == 0 {
		d.problems.Add(problem.NoImages, 0, "images is empty")
	}
	classOf := d.resolveUses()
	for i := range d.c.Images {
		im := &d.c.Images[i]
		if im.Label >= 0 {
			im.Label = classOf[im.Label]
		}
		if im.Label == unknownClass {
			d.problems.Add(problem.UnknownClass, i, "image %s", im.ID)
			im.Label = dataset.NoLabel
		}
	}
	order := -1
	d.c.Objects.Keep(func(o *dataset.Object) bool {
		order++
		if o.Class >= 0 {
			o.Class = classOf[o.Class]
		}
		if d.listed[o.Image] < 0 {
			d.problems.Add(problem.UnknownImageID, order, "%s names image %s", objectName(o, order), d.images.list[o.Image])
			return false
		}
		o.Image = d.listed[o.Image]
		if o.Class == unknownClass {
			d.problems.Add(problem.UnknownClass, order, "%s of image %s", objectName(o, order), d.c.Images[o.Image].ID)
			return false
		}
		if im := &d.c.Images[o.Image]; o.Class == dataset.Background && im.Label == dataset.NoLabel && !o.HasGeometry() {
			im.Label = dataset.Background
		}
		return o.Class >= 0 // a background says that there is nothing
	})
	d.c.Arrange()
}

func objectName(o *dataset.Object, order int) string {
	if o.ID == dataset.NoID {
		return "annotation number " + strconv.Itoa(order+1)
	}
	return "annotation " + strconv.FormatInt(o.ID, 10)
}

// resolveUses finds the class index of every use; class_id decides, and
// class_name only where there is no id.
func (d *objects) resolveUses() []int32 {
	byID, byName := d.settleClasses()
	classOf := make([]int32, len(d.useList))
	for i, u := range d.useList {
		index, known := int32(unknownClass), false
		if u.id >= 0 {
			index, known = byID[d.classes.list[u.id]]
		} else if u.name >= 0 {
			index, known = byName[d.byName.list[u.name]]
		}
		if !known {
			index = unknownClass
		}
		if index >= 0 && u.id >= 0 && u.name >= 0 && d.byName.list[u.name] != d.c.Classes[index].Name {
			count := d.uses[u]
			d.problems.AddN(problem.ClassNameDiffers, count.n, count.first, "class_id %s is %q, not %q",
				d.classes.list[u.id], d.c.Classes[index].Name, d.byName.list[u.name])
		}
		classOf[i] = index
	}
	return classOf
}

// wholeNumber reads the id of an annotation, where it is a number that fits.
func wholeNumber(b []byte) (int64, bool) {
	v, err := strconv.ParseInt(string(b), 10, 64)
	return v, err == nil && v != dataset.NoID
}
