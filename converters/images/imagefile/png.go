package imagefile

import (
	"encoding/binary"
	"fmt"
	"io"
)

// png walks the chunks up to the pixels.
func (w *window) png(info *Info) error {
	header := w.at(8, 16)
	if header == nil || string(header[4:8]) != "IHDR" {
		return fmt.Errorf("%w: no PNG header", ErrBroken)
	}
	tail := w.at(w.size-12, 12)
	info.Ends = tail != nil && string(tail[4:8]) == "IEND"
	at := int64(8)
	for range maxSegments {
		b := w.at(at, 8)
		if b == nil || string(b[4:]) == "IDAT" {
			break
		}
		length := int64(binary.BigEndian.Uint32(b))
		if string(b[4:]) == "eXIf" {
			info.Orientation = orientation(io.NewSectionReader(w, at+8, length))
		}
		at += 12 + length
	}
	return sized(info, int64(binary.BigEndian.Uint32(header[8:])), int64(binary.BigEndian.Uint32(header[12:])))
}
