package imagefile

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"
	"os"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/sync/semaphore"
)

// MaxPixels bounds what is decoded: 4 bytes a pixel are held in memory. It bounds
// what is decoded at the same time, too: a small file may claim any size.
const MaxPixels = 200_000_000

var decoding = semaphore.NewWeighted(MaxPixels)

// reserve waits until there is room for the pixels of an image.
func reserve(info Info) (release func(), err error) {
	if info.Width < 1 || info.Height < 1 || info.Width > MaxPixels/info.Height { // a product of both may overflow
		return nil, fmt.Errorf("%w: %d x %d pixels are more than this agent decodes", ErrBroken, info.Width, info.Height)
	}
	n := int64(info.Width * info.Height)
	if err := decoding.Acquire(context.Background(), n); err != nil { // its holder decodes, which ends
		return nil, err
	}
	return func() { decoding.Release(n) }, nil
}

// ErrUnsupported wraps the errors of files that are whole as far as we can tell,
// in a variant of their format that Go's decoders do not know.
var ErrUnsupported = errors.New("a variant of the format that is not decoded here")

func unsupported(err error) bool {
	_, isJPEG := errors.AsType[jpeg.UnsupportedError](err)
	_, isPNG := errors.AsType[png.UnsupportedError](err)
	_, isTIFF := errors.AsType[tiff.UnsupportedError](err)
	return isJPEG || isPNG || isTIFF || errors.Is(err, bmp.ErrUnsupported) || errors.Is(err, image.ErrFormat)
}

// Decode reads the pixels of a file (the first frame of an animation) as they
// are displayed: EXIF orientation applied.
func Decode(path string) (image.Image, error) {
	info, err := Probe(path)
	if err != nil {
		return nil, err
	}
	release, err := reserve(info)
	if err != nil {
		return nil, err
	}
	defer release()
	return decode(path, info)
}

func decode(path string, info Info) (image.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	im, _, err := image.Decode(f)
	if unsupported(err) || err != nil && info.Variant != "" {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	if info.Format == WebP {
		im = videoRange(im)
	}
	return upright(im, info.Orientation), nil
}

// upright undoes an EXIF orientation.
func upright(im image.Image, orientation int) image.Image {
	if orientation <= 1 || orientation > 8 {
		return im
	}
	src := image.NewNRGBA(image.Rect(0, 0, im.Bounds().Dx(), im.Bounds().Dy()))
	draw.Draw(src, src.Bounds(), im, im.Bounds().Min, draw.Src)
	w, h := src.Rect.Dx(), src.Rect.Dy()
	outW, outH := w, h
	if orientation >= 5 {
		outW, outH = h, w
	}
	out := image.NewNRGBA(image.Rect(0, 0, outW, outH))
	for y := range h {
		for x := range w {
			dx, dy := turn(orientation, x, y, w, h)
			copy(out.Pix[out.PixOffset(dx, dy):][:4], src.Pix[src.PixOffset(x, y):][:4])
		}
	}
	return out
}

// turn maps a stored pixel to its displayed place (EXIF 2.3, table of tag 274).
func turn(orientation, x, y, w, h int) (int, int) {
	switch orientation {
	case 2:
		return w - 1 - x, y
	case 3:
		return w - 1 - x, h - 1 - y
	case 4:
		return x, h - 1 - y
	case 5:
		return y, x
	case 6:
		return h - 1 - y, x
	case 7:
		return h - 1 - y, w - 1 - x
	case 8:
		return y, w - 1 - x
	}
	return x, y
}

// WritePNG writes the displayed pixels of a file as PNG: for formats that a
// reader does not know, and for orientations on which readers disagree.
func WritePNG(out io.Writer, path string) error {
	info, err := Probe(path)
	if err != nil {
		return err
	}
	release, err := reserve(info)
	if err != nil {
		return err
	}
	defer release()
	im, err := decode(path, info)
	if err != nil {
		return err
	}
	return png.Encode(out, im)
}
