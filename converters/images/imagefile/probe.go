// Package imagefile reads what an image file says of itself without decoding it:
// its format, its size as it is displayed, its orientation, and whether it ends
// as its format should.
//
// It promises to judge by content, never by the file's suffix, and to read a few
// hundred bytes of each file. It leaves pixels to the image packages, and what
// to do with a broken file to its callers.
package imagefile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"sync"

	// Formats whose header the standard decoders read.
	_ "image/gif"

	_ "golang.org/x/image/bmp"
	_ "golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"
)

// The formats that Probe tells apart. HEIC, AVIF, JPEG 2000 and unknown content
// have no size here.
const (
	JPEG    = "jpeg"
	PNG     = "png"
	GIF     = "gif"
	BMP     = "bmp"
	TIFF    = "tiff"
	WebP    = "webp"
	HEIC    = "heic"
	AVIF    = "avif"
	JP2     = "jp2"
	Unknown = ""
)

// Info is what a file says of itself.
type Info struct {
	Format      string
	Width       int // pixels of the displayed frame: orientation applied; 0 when unknown
	Height      int
	Orientation int  // EXIF, 1–8; 1 when there is none
	Ends        bool // the file ends as its format should, as far as its header says; JPEG: with FF D9
	Bytes       int64
}

// ErrBroken wraps the errors of files that cannot be an image of their format.
var ErrBroken = errors.New("the image is broken")

const headBytes = 4096

var heads = sync.Pool{New: func() any { b := make([]byte, headBytes); return &b }}

// Probe reads the header and the end of a file.
func Probe(path string) (Info, error) {
	f, err := open(path)
	if err != nil {
		return Info{}, err
	}
	defer f.close()
	size, regular, err := f.size()
	if err != nil {
		return Info{}, err
	}
	if !regular {
		return Info{}, fmt.Errorf("%w: not a regular file", ErrBroken)
	}
	return probe(f, size)
}

func probe(r io.ReaderAt, size int64) (Info, error) {
	if size == 0 {
		return Info{}, fmt.Errorf("%w: 0 bytes", ErrBroken)
	}
	buffer := heads.Get().(*[]byte)
	defer heads.Put(buffer)
	w := &window{r: r, size: size, head: *buffer}
	n, err := r.ReadAt(w.head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Info{}, err
	}
	err = nil // a file shorter than the window
	w.head = w.head[:n]
	info := Info{Format: sniff(w.head), Orientation: 1, Ends: true, Bytes: size}
	switch info.Format {
	case JPEG:
		err = w.jpeg(&info)
	case PNG:
		err = w.png(&info)
	case GIF, BMP, TIFF, WebP:
		err = w.other(&info)
	}
	if err == nil && info.Orientation >= 5 {
		info.Width, info.Height = info.Height, info.Width
	}
	return info, err
}

// sniff tells the format from the first bytes.
func sniff(b []byte) string {
	has := func(at int, magic string) bool {
		return len(b) >= at+len(magic) && string(b[at:at+len(magic)]) == magic
	}
	switch {
	case has(0, "\xff\xd8\xff"):
		return JPEG
	case has(0, "\x89PNG\r\n\x1a\n"):
		return PNG
	case has(0, "GIF87a"), has(0, "GIF89a"):
		return GIF
	case has(0, "BM"):
		return BMP
	case has(0, "II*\x00"), has(0, "MM\x00*"):
		return TIFF
	case has(0, "RIFF") && has(8, "WEBP"):
		return WebP
	case has(4, "ftypavif"), has(4, "ftypavis"):
		return AVIF
	case has(4, "ftyphei"), has(4, "ftyphev"), has(4, "ftypmif1"), has(4, "ftypmsf1"):
		return HEIC
	case has(0, "\x00\x00\x00\x0cjP  "), has(0, "\xff\x4f\xff\x51"):
		return JP2
	}
	return Unknown
}

// window reads parts of a file, from its head where it can.
type window struct {
	r    io.ReaderAt
	size int64
	head []byte
}

// at returns n bytes at an offset, or nil past the end.
func (w *window) at(offset int64, n int) []byte {
	if offset < 0 || offset+int64(n) > w.size {
		return nil
	}
	if offset+int64(n) <= int64(len(w.head)) {
		return w.head[offset : offset+int64(n)]
	}
	b := make([]byte, n)
	if _, err := w.r.ReadAt(b, offset); err != nil {
		return nil
	}
	return b
}

// maxSegments bounds the walk through a file that consists of headers.
const maxSegments = 4096

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
			info.Height, info.Width = int(binary.BigEndian.Uint16(frame[1:])), int(binary.BigEndian.Uint16(frame[3:]))
			return nil
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

// ReadAt lets the EXIF reader look through the window.
func (w *window) ReadAt(p []byte, offset int64) (int, error) {
	b := w.at(offset, len(p))
	if b == nil {
		return 0, io.ErrUnexpectedEOF
	}
	return copy(p, b), nil
}

// png walks the chunks up to the pixels.
func (w *window) png(info *Info) error {
	header := w.at(8, 16)
	if header == nil || string(header[4:8]) != "IHDR" {
		return fmt.Errorf("%w: no PNG header", ErrBroken)
	}
	info.Width = int(binary.BigEndian.Uint32(header[8:]))
	info.Height = int(binary.BigEndian.Uint32(header[12:]))
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
	return nil
}

// other leaves the header to the decoders of the standard library and x/image.
func (w *window) other(info *Info) error {
	config, _, err := image.DecodeConfig(io.NewSectionReader(w.r, 0, w.size))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	info.Width, info.Height = config.Width, config.Height
	switch info.Format {
	case TIFF:
		whole := io.NewSectionReader(w.r, 0, w.size)
		info.Orientation, info.Ends = orientation(whole), tiffEnds(whole, w.size)
	case WebP:
		info.Orientation, info.Ends = w.webpOrientation(), w.says(4)+8 <= w.size
	case BMP:
		said := w.says(2)
		info.Ends = said > 0 && said <= w.size
	case GIF:
		tail := w.at(w.size-1, 1)
		info.Ends = tail != nil && tail[0] == 0x3b
	}
	return nil
}

// says is the length of the file that stands in its header at an offset.
func (w *window) says(at int64) int64 {
	b := w.at(at, 4)
	if b == nil {
		return math.MaxInt64 / 2
	}
	return int64(binary.LittleEndian.Uint32(b))
}

func (w *window) webpOrientation() int {
	at := int64(12)
	for range maxSegments {
		b := w.at(at, 8)
		if b == nil {
			break
		}
		length := int64(binary.LittleEndian.Uint32(b[4:]))
		if string(b[:4]) == "EXIF" {
			start := at + 8
			if id := w.at(start, 6); id != nil && string(id) == "Exif\x00\x00" {
				start += 6
			}
			return orientation(io.NewSectionReader(w, start, length))
		}
		at += 8 + length + length&1
	}
	return 1
}
