package imagefile

import (
	"encoding/binary"
	"fmt"
	"io"
)

// jpeg walks the segments up to the frame header.
func (w *window) jpeg(info *Info) error {
	tail := w.at(w.size-2, 2)
	info.Ends = tail != nil && tail[0] == 0xff && tail[1] == 0xd9
	at := int64(2)
	for range maxSegments {
		b := w.at(at, 4)
		if b == nil || b[0] != 0xff {
			return fmt.Errorf("%w: no JPEG frame header", ErrBroken)
		}
		marker := b[1]
		switch {
		case marker == 0xff: // fill byte
			at++
			continue
		case marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8): // without a length
			at += 2
			continue
		}
		length := int64(binary.BigEndian.Uint16(b[2:]))
		switch {
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			frame := w.at(at+4, 5)
			if frame == nil {
				return fmt.Errorf("%w: the JPEG ends in its header", ErrBroken)
			}
			if frame[0] == 12 {
				info.Variant = TwelveBits
			}
			return sized(info, int64(binary.BigEndian.Uint16(frame[3:])), int64(binary.BigEndian.Uint16(frame[1:])))
		case marker == 0xe1 && length > 8:
			if id := w.at(at+4, 6); id != nil && string(id) == "Exif\x00\x00" {
				info.Orientation = orientation(io.NewSectionReader(w, at+10, length-8))
			}
		case marker == 0xd9 || marker == 0xda:
			return fmt.Errorf("%w: no JPEG frame header", ErrBroken)
		}
		at += 2 + length
	}
	return fmt.Errorf("%w: no JPEG frame header", ErrBroken)
}
