package imagefile

import (
	"encoding/binary"
	"io"
)

// The tags of a TIFF directory that are looked at (TIFF 6.0, sections 8, 15).
const (
	tagOrientation = 0x0112
	tagStripStarts = 0x0111
	tagStripBytes  = 0x0117
	tagTileStarts  = 0x0144
	tagTileBytes   = 0x0145
)

// directory is the first directory of a TIFF structure, which an EXIF block is too.
type directory struct {
	r     io.ReaderAt
	order binary.ByteOrder
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
	head := make([]byte, 8)
	if _, err := r.ReadAt(head, 0); err != nil {
		return directory{}, false
	}
	d := directory{r: r}
	switch string(head[:2]) {
	case "II":
		d.order = binary.LittleEndian
	case "MM":
		d.order = binary.BigEndian
	default:
		return directory{}, false
	}
	at := int64(d.order.Uint32(head[4:]))
	count := make([]byte, 2)
	if _, err := r.ReadAt(count, at); err != nil {
		return directory{}, false
	}
	d.at, d.count = at+2, int64(min(d.order.Uint16(count), maxEntries))
	return d, true
}

// entry is the twelve bytes of a tag, or nil.
func (d directory) entry(tag uint16) []byte {
	field := make([]byte, 12)
	for i := range d.count {
		if _, err := d.r.ReadAt(field, d.at+12*i); err != nil {
			return nil
		}
		if d.order.Uint16(field) == tag {
			return field
		}
	}
	return nil
}

// orientation reads tag 0x0112. Anything unreadable counts as 1, as in every reader.
func orientation(r io.ReaderAt) int {
	d, ok := firstDirectory(r)
	if !ok {
		return 1
	}
	if field := d.entry(tagOrientation); field != nil {
		if v := d.order.Uint16(field[8:]); v >= 1 && v <= 8 {
			return int(v)
		}
	}
	return 1
}

// numbers are the values of a tag of 16 or 32 bit; nil where there are none.
func (d directory) numbers(tag uint16) []int64 {
	field := d.entry(tag)
	if field == nil {
		return nil
	}
	count := int64(min(d.order.Uint32(field[4:]), maxParts))
	width := int64(4)
	if d.order.Uint16(field[2:]) == 3 {
		width = 2
	}
	values := field[8:]
	if count*width > 4 {
		values = make([]byte, count*width)
		if _, err := d.r.ReadAt(values, int64(d.order.Uint32(field[8:]))); err != nil {
			return nil
		}
	}
	list := make([]int64, count)
	for i := range list {
		if at := int64(i) * width; width == 2 {
			list[i] = int64(d.order.Uint16(values[at:]))
		} else {
			list[i] = int64(d.order.Uint32(values[at:]))
		}
	}
	return list
}

// tiffEnds reports whether all strips or tiles of a TIFF file are in it.
func tiffEnds(r io.ReaderAt, size int64) bool {
	d, ok := firstDirectory(r)
	if !ok {
		return false
	}
	starts, lengths := d.numbers(tagStripStarts), d.numbers(tagStripBytes)
	if starts == nil {
		starts, lengths = d.numbers(tagTileStarts), d.numbers(tagTileBytes)
	}
	for i, start := range starts {
		if i >= len(lengths) || start+lengths[i] > size {
			return false
		}
	}
	return len(starts) > 0
}
