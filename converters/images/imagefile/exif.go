package imagefile

import (
	"encoding/binary"
	"io"
)

// directory is the first directory of a TIFF structure (TIFF 6.0, section 2),
// which an EXIF block is too. A BigTIFF has the same with numbers of 64 bit.
type directory struct {
	r     io.ReaderAt
	order binary.ByteOrder
	big   bool
	at    int64 // of the first entry
	count int64
}

// maxEntries and maxParts bound what is read of a directory, and of the list of an
// image's strips.
const (
	maxEntries = 512
	maxParts   = 1 << 16
)

func firstDirectory(r io.ReaderAt) (directory, bool) {
	d := directory{r: r}
	head := d.read(0, 8)
	if head == nil {
		return d, false
	}
	switch string(head[:2]) {
	case "II":
		d.order = binary.LittleEndian
	case "MM":
		d.order = binary.BigEndian
	default:
		return d, false
	}
	at, countBytes := int64(d.order.Uint32(head[4:])), int64(2)
	if d.big = d.order.Uint16(head[2:]) == 43; d.big {
		offset := d.read(8, 8)
		if offset == nil {
			return d, false
		}
		at, countBytes = int64(d.order.Uint64(offset)), 8
	}
	count := d.read(at, countBytes)
	if count == nil {
		return d, false
	}
	d.at, d.count = at+countBytes, int64(min(d.number(count), maxEntries))
	return d, true
}

// read is n bytes at an offset, or nil.
func (d directory) read(offset, n int64) []byte {
	b := make([]byte, n)
	if offset < 0 {
		return nil
	}
	if _, err := d.r.ReadAt(b, offset); err != nil {
		return nil
	}
	return b
}

// number is the value of 1, 2, 4 or 8 bytes.
func (d directory) number(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(d.order.Uint16(b))
	case 4:
		return uint64(d.order.Uint32(b))
	}
	return d.order.Uint64(b)
}

// entry is the bytes of a tag, or nil: 12 of them, in a BigTIFF 20.
func (d directory) entry(tag uint16) []byte {
	size := int64(12)
	if d.big {
		size = 20
	}
	field := make([]byte, size)
	for i := range d.count {
		if _, err := d.r.ReadAt(field, d.at+size*i); err != nil {
			return nil
		}
		if d.order.Uint16(field) == tag {
			return field
		}
	}
	return nil
}

// widths are the bytes of the types of whole numbers.
var widths = map[uint16]int64{1: 1, 3: 2, 4: 4, 13: 4, 16: 8, 18: 8}

// numbers are the values of a tag of whole numbers; nil where there are none.
func (d directory) numbers(tag uint16) []int64 {
	field := d.entry(tag)
	if field == nil {
		return nil
	}
	width, known := widths[d.order.Uint16(field[2:])]
	if !known {
		return nil
	}
	word := int64(4)
	if d.big {
		word = 8
	}
	count := int64(min(d.number(field[4:4+word]), maxParts))
	values := field[4+word:]
	if count > word/width {
		if values = d.read(int64(d.number(values)), count*width); values == nil {
			return nil
		}
	}
	list := make([]int64, count)
	for i := range list {
		list[i] = int64(d.number(values[int64(i)*width:][:width]))
	}
	return list
}

// first is the first value of a tag, or what it is by default.
func (d directory) first(tag uint16, otherwise int64) int64 {
	if list := d.numbers(tag); len(list) > 0 {
		return list[0]
	}
	return otherwise
}

const tagOrientation = 0x0112

// orientation reads tag 0x0112. Anything unreadable counts as 1, as in every reader.
func orientation(r io.ReaderAt) int {
	d, ok := firstDirectory(r)
	if !ok {
		return 1
	}
	return d.orientation()
}

func (d directory) orientation() int {
	if v := d.first(tagOrientation, 1); v >= 1 && v <= 8 {
		return int(v)
	}
	return 1
}
