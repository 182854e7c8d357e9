package plan

import (
	"context"
	"errors"

	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/images/imagefile"
)

// Reader is what is known of the program that will read the images.
type Reader struct {
	Formats map[string]bool // of content, that it reads
	Unread  map[string]bool // variants of these formats that it does not read
	MinSide int             // smaller images are dropped by it; 0 for none
	// Disputed tells the EXIF orientations on which readers of the layout disagree
	// with each other, or with themselves: those images are written upright. Nil
	// when the labels do not depend on it.
	Disputed func(format string, orientation int) bool
}

// maxOpened is twice Pillow's MAX_IMAGE_PIXELS: beyond it Image.open raises.
const maxOpened = 2 * (1 << 30 / 4 / 3)

// decodable are the formats that WritePNG reads.
var decodable = map[string]bool{
	imagefile.JPEG: true, imagefile.PNG: true, imagefile.GIF: true,
	imagefile.BMP: true, imagefile.TIFF: true, imagefile.WebP: true,
}

// Select decides for every image whether and how it is handed to the reader. The
// images it leaves out are reported.
func (p *Plan) Select(ctx context.Context, files []images.File, r Reader) error {
	for i, f := range files {
		if f.Path == "" {
			continue
		}
		im := Image{Index: i, Path: f.Path, Rel: f.Rel, Width: f.Width, Height: f.Height}
		switch {
		case min(f.Width, f.Height) < r.MinSide:
			p.Problems.Add(problem.ImageTooSmall, i, "%q is %dx%d", f.Rel, f.Width, f.Height)
			continue
		case f.Width > maxOpened/max(f.Height, 1): // a product of both may overflow
			p.Problems.Add(problem.ImageTooLarge, i, "%q is %dx%d", f.Rel, f.Width, f.Height)
			continue
		case !r.reads(f) && !decodable[f.Format]:
			p.Problems.Add(problem.UnreadableFormat, i, "%q is %s", f.Rel, formatOf(f))
			continue
		case r.disputed(f) && !decodable[f.Format]:
			p.Problems.Add(problem.UnreadableFormat, i, "%q is %s and turned when it is displayed", f.Rel, formatOf(f))
			continue
		case !r.reads(f) || r.disputed(f):
			im.Mode = Convert
		case f.Format == imagefile.JPEG && !f.Ends:
			im.Mode = Copy
		}
		im.Rel = withSuffix(f.Rel, f.Format, im.Mode)
		p.Images = append(p.Images, im)
	}
	return p.verify(ctx, files, r)
}

// reads reports whether the reader takes the file as it is.
func (r Reader) reads(f images.File) bool { return r.Formats[f.Format] && !r.Unread[f.Variant] }

// formatOf says what a file is, in words.
func formatOf(f images.File) string {
	if f.Variant != "" {
		return f.Format + " (" + f.Variant + ")"
	}
	return f.Format
}

func (r Reader) disputed(f images.File) bool {
	return f.Orientation > 1 && r.Disputed != nil && r.Disputed(f.Format, f.Orientation)
}

// verify decodes the images that are to be converted, before anything is written:
// the ones that cannot be are left out.
func (p *Plan) verify(ctx context.Context, files []images.File, r Reader) error {
	var convert []int32
	for i := range p.Images {
		if p.Images[i].Mode == Convert {
			convert = append(convert, int32(i))
		}
	}
	wrong := make([]error, len(p.Images))
	err := images.Each(ctx, len(convert), nil, func(k int) error {
		i := convert[k]
		_, wrong[i] = imagefile.Decode(p.Images[i].Path)
		return nil
	})
	if err != nil {
		return err
	}
	kept := p.Images[:0]
	for i, im := range p.Images {
		f := files[im.Index]
		switch {
		case errors.Is(wrong[i], imagefile.ErrUnsupported):
			p.Problems.Add(problem.UnreadableFormat, im.Index, "%q is %s: %v", f.Rel, formatOf(f), wrong[i])
			continue
		case wrong[i] != nil:
			p.Problems.Add(problem.BrokenImage, im.Index, "%q: %v", f.Rel, wrong[i])
			continue
		case im.Mode == Convert && r.reads(f):
			p.Problems.Add(problem.OrientationBaked, im.Index, "%q", f.Rel)
		case im.Mode == Convert:
			p.Problems.Add(problem.ImageConverted, im.Index, "%q is %s", f.Rel, formatOf(f))
		}
		kept = append(kept, im)
	}
	p.Images = kept
	return nil
}
