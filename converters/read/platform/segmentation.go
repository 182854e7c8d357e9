package platform

import (
	"fmt"

	"github.com/vision-platform/trainer-agent/converters/dataset"
)

// segmentation reads [[x1, y1, …], …], one flat ring, or a COCO RLE object. An
// empty list means that there is none.
func (d *shapes) segmentation(a *draft) error {
	c, err := d.s.peek()
	if err != nil {
		return err
	}
	switch c {
	case '{':
		return d.rle(a)
	case '[':
		return d.polygons(a)
	case 'n':
		return d.s.skip()
	}
	a.bad.shape = "segmentation is " + kindOf(c)
	return d.s.skip()
}

func (d *shapes) polygons(a *draft) error {
	d.ringBuf = d.ringBuf[:0]
	flat := d.flat[:0]
	err := d.s.array(func() error {
		c, err := d.s.peek()
		if err != nil {
			return err
		}
		if c == '[' {
			d.flat = flat[:0]
			return d.ring(a)
		}
		d.flat = flat
		err = d.coordinate(c, &a.bad.number)
		flat = d.flat
		return err
	})
	if a.bad.number != "" && a.bad.number[0] == 'h' {
		a.bad.number = "segmentation " + a.bad.number
	}
	if err != nil {
		return err
	}
	if len(flat) > 0 && len(d.ringBuf) == 0 { // a single ring without its outer list
		d.ringBuf = append(d.ringBuf, d.numbers.Copy(flat))
	}
	if len(d.ringBuf) > 0 {
		a.object.Polygons = d.rings.Copy(d.ringBuf)
	}
	return nil
}

// ring reads one ring; [[x, y], …] is taken like [x, y, …].
func (d *shapes) ring(a *draft) error {
	dims, wrong, err := d.numberList()
	switch {
	case err != nil:
		return err
	case wrong != "" && a.bad.number == "":
		a.bad.number = wrong
	case dims != 0 && dims != 2:
		a.bad.shape = fmt.Sprintf("segmentation has points of %d numbers", dims)
	case len(d.flat) > 0:
		d.ringBuf = append(d.ringBuf, d.numbers.Copy(d.flat))
	}
	return nil
}

// maxMaskSide and maxMaskPixels bound an RLE mask, which is unpacked to a byte a
// pixel.
const (
	maxMaskSide   = 1 << 16
	maxMaskPixels = 1 << 26
)

// rle reads {"size": [height, width], "counts": [...] or "..."}.
func (d *shapes) rle(a *draft) error {
	var size []float64
	var counts []uint32
	bad := ""
	err := d.s.object(func(key []byte) error {
		switch string(key) {
		case "size":
			_, wrong, err := d.numberList()
			if wrong != "" {
				bad = "size " + wrong
			}
			size = append(size, d.flat...)
			return err
		case "counts":
			list, wrong, err := d.counts()
			if wrong != "" {
				bad = "counts " + wrong
			}
			counts = list
			return err
		}
		return d.s.skip()
	})
	if err != nil {
		return err
	}
	if bad == "" && (len(size) != 2 || size[0] < 1 || size[1] < 1 || size[0] > maxMaskSide || size[1] > maxMaskSide) {
		bad = "size is not [height, width]"
	}
	if bad == "" && size[0]*size[1] > maxMaskPixels {
		bad = "size is more than 64 million pixels"
	}
	if bad != "" {
		a.bad.shape = "segmentation's " + bad
		return nil
	}
	mask := &dataset.RLE{Height: int(size[0]), Width: int(size[1]), Counts: counts}
	sum := 0
	for _, n := range counts {
		sum += int(n)
	}
	if sum != mask.Height*mask.Width {
		a.bad.shape = fmt.Sprintf("segmentation's counts add up to %d, not %d times %d", sum, mask.Height, mask.Width)
		return nil
	}
	a.object.RLE = mask
	return nil
}

func (d *shapes) counts() (list []uint32, wrong string, err error) {
	c, err := d.s.peek()
	if err != nil {
		return nil, "", err
	}
	if c == '"' {
		text, err := d.s.str()
		if err != nil {
			return nil, "", err
		}
		list, ok := decodeCounts(text)
		if !ok {
			return nil, "are not a compressed COCO mask", nil
		}
		return list, "", nil
	}
	_, wrong, err = d.numberList()
	if err != nil || wrong != "" {
		return nil, wrong, err
	}
	list = make([]uint32, len(d.flat))
	for i, v := range d.flat {
		if v < 0 || v > maxMaskSide*maxMaskSide || v != float64(uint32(v)) {
			return nil, "has a run that is not a whole number", nil
		}
		list[i] = uint32(v)
	}
	return list, "", nil
}

// decodeCounts reads pycocotools' compressed form (rleFrString): five bits a
// character plus 48, sign-extended, and from the third run on as the difference
// to the run before the last.
func decodeCounts(text []byte) ([]uint32, bool) {
	var counts []uint32
	for i := 0; i < len(text); {
		var v int64
		for shift := 0; ; shift += 5 {
			if i == len(text) || shift > 35 || text[i] < 48 || text[i] > 48+63 {
				return nil, false
			}
			c := int64(text[i] - 48)
			i++
			v |= (c & 0x1f) << shift
			if c&0x20 == 0 {
				if c&0x10 != 0 {
					v |= -1 << (shift + 5)
				}
				break
			}
		}
		if n := len(counts); n > 2 {
			v += int64(counts[n-2])
		}
		if v < 0 || v > maxMaskSide*maxMaskSide {
			return nil, false
		}
		counts = append(counts, uint32(v))
	}
	return counts, true
}
