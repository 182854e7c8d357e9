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

	_ "golang.org/x/image/webp"

	"github.com/vision-platform/trainer-agent/converters/text"
)

// The formats that Probe tells apart. Unknown content has no size.
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
	Variant     string // what is unusual about it, in words that a message can use; empty for the usual
}

// The variants of formats that not every reader takes.
const (
	FloatPixels  = "floating-point pixels"
	FloatColors  = "floating-point colours"
	DeepPixels   = "32-bit pixels"
	DeeperPixels = "64-bit pixels"
	RareCompress = "compressed by LZMA or Zstandard"
	WebPCompress = "compressed as WebP"
	BigTIFF      = "BigTIFF"
	BigTIFFMM    = "BigTIFF with the high byte first"
	CMYK         = "CMYK"
	OS2          = "OS/2 bitmap"
	OS2Short     = "OS/2 bitmap with a short header"
	HighColor    = "16-bit colours"
	RunLength    = "run-length bitmap"
	OddBitmap    = "bitmap of another compression"
	TwelveBits   = "12-bit JPEG"
	Animation    = "animation"
	LFSPointer   = "a pointer of Git LFS" // of Unknown
)

// ErrBroken wraps the errors of files that cannot be an image of their format.
var ErrBroken = errors.New("the image is broken")

const headBytes = 4096

var windows = sync.Pool{New: func() any { return &window{buffer: make([]byte, headBytes)} }}

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
	w := windows.Get().(*window)
	defer windows.Put(w)
	n, err := r.ReadAt(w.buffer, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Info{}, err
	}
	err = nil // a file shorter than the window
	w.r, w.size, w.head = r, size, w.buffer[:n]
	info := Info{Format: sniff(w.head), Orientation: 1, Ends: true, Bytes: size}
	if info.Format == Unknown && text.IsPointer(w.head) {
		info.Variant = LFSPointer
	}
	if read := headers[info.Format]; read != nil {
		err = read(w, &info)
	}
	if err == nil && info.Orientation >= 5 {
		info.Width, info.Height = info.Height, info.Width
	}
	return info, err
}

// headers read the header of each format.
var headers = map[string]func(*window, *Info) error{
	JPEG: (*window).jpeg, PNG: (*window).png, BMP: (*window).bmp, TIFF: (*window).tiff,
	GIF: (*window).other, WebP: (*window).other,
	AVIF: (*window).heif, HEIC: (*window).heif, JP2: (*window).jp2,
}

// maxSide is the largest side that any format here can have, and that fits an int32.
const maxSide = math.MaxInt32

// sized fills in a width and height, or says that no image has them.
func sized(info *Info, width, height int64) error {
	if width < 1 || height < 1 || width > maxSide || height > maxSide {
		return fmt.Errorf("%w: its header says %d x %d pixels", ErrBroken, width, height)
	}
	info.Width, info.Height = int(width), int(height)
	return nil
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
	case has(0, "II*\x00"), has(0, "MM\x00*"), has(0, "II+\x00\x08\x00"), has(0, "MM\x00+\x00\x08"):
		return TIFF
	case has(0, "RIFF") && has(8, "WEBP"):
		return WebP
	case has(4, "ftyp"):
		return brand(b)
	case has(0, "\x00\x00\x00\x0cjP  "), has(0, "\xff\x4f\xff\x51"):
		return JP2
	}
	return Unknown
}

// window reads parts of a file, from its head where it can.
type window struct {
	r      io.ReaderAt
	size   int64
	head   []byte
	buffer []byte // of head
}

// at returns n bytes at an offset, or nil past the end.
func (w *window) at(offset int64, n int) []byte {
	if offset < 0 || offset > w.size-int64(n) {
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

// ReadAt lets the EXIF reader look through the window.
func (w *window) ReadAt(p []byte, offset int64) (int, error) {
	b := w.at(offset, len(p))
	if b == nil {
		return 0, io.ErrUnexpectedEOF
	}
	return copy(p, b), nil
}

// other leaves the header to the decoders of the standard library and x/image.
func (w *window) other(info *Info) error {
	config, _, err := image.DecodeConfig(io.NewSectionReader(w.r, 0, w.size))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	switch info.Format {
	case WebP:
		if b := w.at(12, 9); b != nil && string(b[:4]) == "VP8X" && b[8]&2 != 0 {
			info.Variant = Animation
		}
		info.Orientation, info.Ends = w.webpOrientation(), w.says(4)+8 <= w.size
	case GIF:
		tail := w.at(w.size-1, 1)
		info.Ends = tail != nil && tail[0] == 0x3b
	}
	return sized(info, int64(config.Width), int64(config.Height))
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
