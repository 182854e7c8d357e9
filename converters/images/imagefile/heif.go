package imagefile

import (
	"encoding/binary"
	"fmt"
)

// property is what a HEIF file says of an item: its size, a rotation, a mirror.
type property struct {
	kind string
	b    []byte
}

// heif reads the size and the turn of the primary item of an AVIF or HEIC file
// (ISO/IEC 23008-12, sections 6.4 to 6.6).
func (w *window) heif(info *Info) error {
	from, to, ok := w.inside(0, w.size, "meta")
	if !ok {
		return fmt.Errorf("%w: no meta box", ErrBroken)
	}
	from += 4 // version and flags
	container, containerEnd, ok := w.inside(from, to, "iprp")
	if !ok {
		return fmt.Errorf("%w: no item properties", ErrBroken)
	}
	all := w.properties(container, containerEnd)
	var width, height int64
	angle, mirrored, axis := 0, false, 0
	for _, p := range w.primary(from, to, container, containerEnd, all) {
		switch {
		case p.kind == "ispe" && len(p.b) >= 12:
			width, height = int64(binary.BigEndian.Uint32(p.b[4:])), int64(binary.BigEndian.Uint32(p.b[8:]))
		case p.kind == "irot" && len(p.b) > 0:
			angle = int(p.b[0] & 3)
		case p.kind == "imir" && len(p.b) > 0:
			mirrored, axis = true, int(p.b[0]&1)
		}
	}
	info.Orientation = turnOf(angle, mirrored, axis)
	return sized(info, width, height)
}

// turnOf is the EXIF orientation of a rotation by angle times 90 degrees against
// the clock, and then a mirroring: top to bottom (axis 0) or left to right (1).
func turnOf(angle int, mirrored bool, axis int) int {
	if !mirrored {
		return [4]int{1, 8, 3, 6}[angle]
	}
	return [4][2]int{{4, 2}, {5, 7}, {2, 4}, {7, 5}}[angle][axis]
}

const (
	maxProperty = 64 // bytes of a property that are looked at
	maxItems    = 1 << 16
)

// properties are the file's, in the order by which they are numbered from 1.
func (w *window) properties(from, to int64) []property {
	start, end, ok := w.inside(from, to, "ipco")
	if !ok {
		return nil
	}
	var list []property
	w.boxes(start, end, func(kind string, a, b int64) bool {
		list = append(list, property{kind, w.at(a, int(min(b-a, maxProperty)))})
		return true
	})
	return list
}

// primary are the properties of the file's primary item; all of them where the
// file does not say which are whose.
func (w *window) primary(from, to, container, containerEnd int64, all []property) []property {
	item, itemEnd, ok := w.inside(from, to, "pitm")
	links, linksEnd, linked := w.inside(container, containerEnd, "ipma")
	if !ok || !linked || itemEnd-item < 6 || linksEnd-links < 8 {
		return all
	}
	r := bigEndian{w: w, at: item, end: itemEnd}
	wide := r.next(4)>>24 > 0
	id := r.id(wide)
	r = bigEndian{w: w, at: links, end: linksEnd}
	flags := r.next(4)
	for range min(r.next(4), maxItems) {
		mine := r.id(flags>>24 > 0) == id
		var list []property
		for range r.next(1) {
			index := r.next(1)
			if flags&1 == 1 {
				index = index<<8 | r.next(1)
				index &= 0x7fff
			} else {
				index &= 0x7f
			}
			if mine && index >= 1 && index <= int64(len(all)) {
				list = append(list, all[index-1])
			}
		}
		if mine {
			return list
		}
	}
	return all
}

// bigEndian reads big-endian numbers one after the other; past the end they are 0.
type bigEndian struct {
	w       *window
	at, end int64
}

func (r *bigEndian) next(n int64) (v int64) {
	if r.at > r.end-n {
		r.at = r.end
		return 0
	}
	for _, b := range r.w.at(r.at, int(n)) {
		v = v<<8 | int64(b)
	}
	r.at += n
	return v
}

// id is an item's number, of 16 bits or of 32.
func (r *bigEndian) id(wide bool) int64 {
	if wide {
		return r.next(4)
	}
	return r.next(2)
}
