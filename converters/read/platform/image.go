package platform

import (
	"fmt"
	"math"
	"net/url"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/split"
)

// nested marks an annotation that stands inside its image; the image's index is
// known only at the image's end, since keys come in any order. A single one, not
// in a list, may be the class of the whole image.
const (
	nested = -2
	single = -3
)

var imageKeys = map[string]uint{
	"id": 1, "file_name": 2, "width": 3, "height": 4, "split": 5, "annotation": 6, "annotations": 7, "mask_file": 8, "mask_path": 8, "coco_url": 9,
}

// image reads one entry of images.
func (d *reader) image() error {
	if c, err := d.s.peek(); err != nil || c != '{' {
		d.problems.Add(problem.NoFileName, len(d.c.Images), "image %d of the list", len(d.c.Images)+1)
		return orSkip(err, d.s)
	}
	if len(d.c.Images) >= d.limits.Images {
		return fmt.Errorf("more than %d images: %w", d.limits.Images, errTooLarge)
	}
	im := dataset.Image{Label: dataset.NoLabel}
	d.current, d.mask, d.url = &im, "", ""
	first := d.c.Objects.Len()
	d.first = first
	var seen seenKeys
	duplicate := ""
	err := d.s.object(func(key []byte) error {
		n := imageKeys[string(key)]
		if seen.again(n) {
			duplicate = string(key)
		}
		return d.imageField(&im, n)
	})
	d.current = nil
	if err != nil {
		return err
	}
	d.addImage(im, first, duplicate)
	return nil
}

func (d *reader) imageField(im *dataset.Image, key uint) (err error) {
	switch key {
	case 1:
		var c byte
		if c, err = d.s.peek(); err == nil {
			im.Numeric = c != '"'
			im.ID, err = d.text()
		}
	case 2:
		im.File, err = d.text()
	case 3:
		im.Width, err = d.side()
	case 4:
		im.Height, err = d.side()
	case 5:
		im.HasSplit = true
		var text string
		if text, err = d.text(); err != nil {
			return err
		}
		if im.Split = contract.Split(text); !split.Valid(im.Split) {
			d.problems.Add(problem.BadSplit, len(d.c.Images), "image %s: %q", d.imageName(), text)
			im.Split = ""
		}
	case 6:
		var c byte
		if c, err = d.s.peek(); err != nil {
			return err
		}
		switch c {
		case '{':
			err = d.annotation(single)
		case '[':
			err = d.s.array(func() error { return d.annotation(nested) })
		default:
			err = d.s.skip()
		}
	case 7:
		err = d.list("annotations", func() error { return d.annotation(nested) })
	case 8:
		d.mask, err = d.text()
	case 9:
		d.url, err = d.text()
	default:
		err = d.s.skip()
	}
	return err
}

// fileOfURL is the file name of an image that has an address only, as LVIS has it:
// http://images.cocodataset.org/val2017/000000000139.jpg.
func fileOfURL(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.Trim(u.Path, "/")
}

// side reads a width or height; 0 when the file does not know.
func (d *values) side() (int32, error) {
	v, ok, err := d.integer()
	if !ok || v < 0 || v > math.MaxInt32 {
		return 0, err
	}
	return int32(v), err
}

// imageName is how problems call the image being read.
func (d *objects) imageName() string {
	switch {
	case d.current.ID != "":
		return d.current.ID
	case d.current.File != "":
		return fmt.Sprintf("%q", d.current.File)
	}
	return fmt.Sprintf("number %d of the list", len(d.c.Images)+1)
}

// addImage keeps a complete image and tells its nested annotations its index.
func (d *reader) addImage(im dataset.Image, first int, duplicate string) {
	order := len(d.c.Images)
	if im.File == "" {
		im.File = fileOfURL(d.url)
	}
	if im.ID == "" {
		im.ID, im.Numeric = im.File, false
	}
	if im.ID == "" {
		d.problems.Add(problem.NoFileName, order, "image %d of the list", order+1)
		d.c.Objects.Truncate(first)
		return
	}
	if duplicate != "" {
		d.problems.Add(problem.DuplicateKey, order, "image %s: %q", im.ID, duplicate)
	}
	before := len(d.files)
	d.files[im.File] = struct{}{}
	if im.File == "" {
		d.problems.Add(problem.NoFileName, order, "image %s", im.ID)
	} else if len(d.files) == before {
		d.problems.Add(problem.DuplicateFileName, order, "%q", im.File)
	}
	index := d.imageIndex([]byte(im.ID))
	if d.listed[index] >= 0 {
		d.problems.Add(problem.DuplicateImageID, order, "%s", im.ID)
		d.c.Objects.Truncate(first)
		return
	}
	if d.mask != "" && d.task.NeedsOutlines() && d.c.Objects.Len() == first {
		d.problems.Add(problem.MaskFile, order, "image %s: %q", im.ID, d.mask)
	}
	im.ID = d.images.list[index] // one copy of the text
	d.listed[index] = int32(order)
	for i := first; i < d.c.Objects.Len(); i++ {
		d.c.Objects.At(i).Image = index
	}
	d.c.Images = append(d.c.Images, im)
}

// imageIndex is the index into gallery.images of an id, known or new.
func (g *gallery) imageIndex(id []byte) int32 {
	i := g.images.intern(id)
	if int(i) == len(g.listed) {
		g.listed = append(g.listed, -1)
		g.count = append(g.count, 0)
	}
	return i
}
