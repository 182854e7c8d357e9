package imagefile

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// brand tells AVIF and HEIC by the brands of a file type box (ISO/IEC 14496-12,
// section 4.3): mif1 is what both may call themselves first.
func brand(b []byte) string {
	length := min(int(binary.BigEndian.Uint32(b)), len(b))
	format := Unknown
	for at := 8; at+4 <= length; at += 4 {
		if at == 12 {
			continue // the version
		}
		switch name := string(b[at : at+4]); {
		case name == "avif" || name == "avis":
			return AVIF
		case name == "mif1" || name == "msf1" || strings.HasPrefix(name, "hei") || strings.HasPrefix(name, "hev"):
			format = HEIC
		}
	}
	return format
}

// maxBoxes bounds the boxes that are looked at in one file.
const maxBoxes = 4096

// boxes calls each with the boxes between two offsets of a file: ISO/IEC 14496-12
// for AVIF and HEIC, ISO/IEC 15444-1 for JPEG 2000. It ends when each returns false.
func (w *window) boxes(from, to int64, each func(kind string, from, to int64) bool) {
	for n := 0; from <= to-8 && n < maxBoxes; n++ {
		b := w.at(from, 8)
		if b == nil {
			return
		}
		length, head := int64(binary.BigEndian.Uint32(b)), int64(8)
		switch length {
		case 0:
			length = to - from
		case 1:
			long := w.at(from+8, 8)
			if long == nil {
				return
			}
			length, head = int64(binary.BigEndian.Uint64(long)), 16
		}
		if length < head || length > to-from {
			return
		}
		if !each(string(b[4:8]), from+head, from+length) {
			return
		}
		from += length
	}
}

// inside finds the content of a box within another one.
func (w *window) inside(from, to int64, kind string) (start, end int64, found bool) {
	w.boxes(from, to, func(k string, a, b int64) bool {
		if k == kind {
			start, end, found = a, b, true
		}
		return !found
	})
	return start, end, found
}

// jp2 reads the size of a JPEG 2000 file, or of a bare codestream.
func (w *window) jp2(info *Info) error {
	stream := int64(0)
	if string(w.head[:2]) != "\xff\x4f" {
		if from, to, ok := w.inside(0, w.size, "jp2h"); ok {
			if at, end, ok := w.inside(from, to, "ihdr"); ok && end-at >= 8 {
				b := w.at(at, 8)
				return sized(info, int64(binary.BigEndian.Uint32(b[4:])), int64(binary.BigEndian.Uint32(b)))
			}
		}
		var ok bool
		if stream, _, ok = w.inside(0, w.size, "jp2c"); !ok {
			return fmt.Errorf("%w: no JPEG 2000 header", ErrBroken)
		}
	}
	b := w.at(stream, 24) // SOC, SIZ, its length and capabilities, then the reference grid
	if b == nil || string(b[:4]) != "\xff\x4f\xff\x51" {
		return fmt.Errorf("%w: no JPEG 2000 header", ErrBroken)
	}
	number := func(at int) int64 { return int64(binary.BigEndian.Uint32(b[at:])) }
	return sized(info, number(8)-number(16), number(12)-number(20))
}
