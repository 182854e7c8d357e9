package imagefile

import (
	"fmt"
	"io"
)

// The tags of a TIFF directory that are looked at (TIFF 6.0, section 8 and 15).
const (
	tagWidth        = 0x0100
	tagHeight       = 0x0101
	tagBits         = 0x0102
	tagCompression  = 0x0103
	tagColors       = 0x0106
	tagStripStarts  = 0x0111
	tagSamples      = 0x0115
	tagStripBytes   = 0x0117
	tagTileStarts   = 0x0144
	tagTileBytes    = 0x0145
	tagSampleFormat = 0x0153
)

// tiff reads the first directory of a TIFF or BigTIFF file.
func (w *window) tiff(info *Info) error {
	d, ok := firstDirectory(io.NewSectionReader(w.r, 0, w.size))
	if !ok {
		return fmt.Errorf("%w: no TIFF directory", ErrBroken)
	}
	info.Orientation, info.Ends, info.Variant = d.orientation(), d.ends(w.size), d.variant()
	return sized(info, d.first(tagWidth, 0), d.first(tagHeight, 0))
}

// variant names the pixels that some readers do not take. Of several reasons the
// one for which the most readers refuse it counts.
func (d directory) variant() string {
	samples, bits := d.first(tagSamples, 1), d.first(tagBits, 1)
	floating := d.first(tagSampleFormat, 1) == 3
	switch compression := d.first(tagCompression, 1); {
	case d.big && string(d.read(0, 2)) == "MM":
		return BigTIFFMM
	case compression == 50001 || compression == 50002:
		return WebPCompress
	case floating && samples > 1:
		return FloatColors
	case bits > 32:
		return DeeperPixels
	case floating:
		return FloatPixels
	case bits > 16:
		return DeepPixels
	case compression == 34925 || compression == 50000: // LZMA, Zstandard
		return RareCompress
	case d.first(tagColors, 1) == 5:
		return CMYK
	case d.big:
		return BigTIFF
	}
	return ""
}

// ends reports whether all strips or tiles are in the file.
func (d directory) ends(size int64) bool {
	starts, lengths := d.numbers(tagStripStarts), d.numbers(tagStripBytes)
	if starts == nil {
		starts, lengths = d.numbers(tagTileStarts), d.numbers(tagTileBytes)
	}
	if lengths == nil {
		return len(starts) > 0 // readers work the lengths out
	}
	for i, start := range starts {
		if i >= len(lengths) || start < 0 || lengths[i] < 0 || start > size-lengths[i] {
			return false
		}
	}
	return len(starts) > 0
}
