package imagefile

import (
	"encoding/binary"
	"fmt"
)

// The compressions of a bitmap (BITMAPINFOHEADER).
const (
	plainBitmap  = 0
	runLength8   = 1
	runLength4   = 2
	bitFields    = 3
	maxHeaderBMP = 1 << 16
)

// bmp reads a bitmap's header, of Windows or OS/2. The length of the file that it
// says is often wrong: whether the pixels are there is counted.
func (w *window) bmp(info *Info) error {
	head := w.at(10, 8)
	if head == nil {
		return fmt.Errorf("%w: no bitmap header", ErrBroken)
	}
	pixels, length := int64(binary.LittleEndian.Uint32(head)), int64(binary.LittleEndian.Uint32(head[4:]))
	var width, height int64
	var bits, compression int
	switch {
	case length == 12:
		b := w.at(18, 8)
		if b == nil {
			return fmt.Errorf("%w: the bitmap ends in its header", ErrBroken)
		}
		width, height, bits = int64(binary.LittleEndian.Uint16(b)), int64(binary.LittleEndian.Uint16(b[2:])), int(binary.LittleEndian.Uint16(b[6:]))
		info.Variant = OS2
	case length >= 16 && length < maxHeaderBMP:
		b := w.at(18, 16)
		if b == nil {
			return fmt.Errorf("%w: the bitmap ends in its header", ErrBroken)
		}
		width, height, bits = int64(int32(binary.LittleEndian.Uint32(b))), int64(int32(binary.LittleEndian.Uint32(b[4:]))), int(binary.LittleEndian.Uint16(b[10:]))
		if length >= 20 {
			compression = int(binary.LittleEndian.Uint32(b[12:]))
		}
		info.Variant = bitmapVariant(length, bits, compression)
		height = max(height, -height) // negative: from the top down
	default:
		return fmt.Errorf("%w: no bitmap header", ErrBroken)
	}
	if err := sized(info, width, height); err != nil {
		return err
	}
	row := (width*int64(bits) + 31) / 32 * 4 // at most 2^31 times 2^16
	switch compression {
	case plainBitmap, bitFields:
		info.Ends = row > 0 && pixels < w.size && (w.size-pixels)/row >= height
	default:
		info.Ends = pixels < w.size
	}
	return nil
}

func bitmapVariant(length int64, bits, compression int) string {
	switch {
	case length < 40:
		return OS2Short
	case compression == runLength8 || compression == runLength4:
		return RunLength
	case compression > bitFields:
		return OddBitmap // JPEG or PNG inside, or later inventions
	case bits == 16:
		return HighColor
	case length == 64:
		return OS2
	}
	return ""
}
