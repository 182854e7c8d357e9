package images

import (
	"errors"

	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images/imagefile"
)

// inspect judges one file. An image that cannot be used loses its Path.
func (f *Folder) inspect(im dataset.Image, i int, file *File, problems *problem.List) {
	info, err := f.look(file)
	file.Info = info
	switch {
	case err != nil:
		problems.Add(problem.BrokenImage, i, "%q: %v", file.Rel, err)
		file.Path = ""
		return
	case info.Format == imagefile.Unknown:
		kind := problem.NotAnImage
		if info.Variant == imagefile.LFSPointer {
			kind = problem.LFSPointer
		}
		problems.Add(kind, i, "%q", file.Rel)
		file.Path = ""
		return
	case !info.Ends:
		// Of a variant that is not decoded here, the header alone says that pixels are missing.
		if _, err := imagefile.Decode(file.Path); err != nil && (info.Variant != "" || !errors.Is(err, imagefile.ErrUnsupported)) {
			problems.Add(problem.BrokenImage, i, "%q: %v", file.Rel, err)
			file.Path = ""
			return
		}
		if info.Format == imagefile.JPEG {
			problems.Add(problem.JPEGWithoutEnd, i, "%q", file.Rel)
		}
	}
	if info.Orientation > 1 {
		problems.Add(problem.EXIFRotated, i, "%q", file.Rel)
	}
	size(im, i, file, problems)
}

// size compares the header with the annotations: the header wins.
func size(im dataset.Image, i int, f *File, problems *problem.List) {
	if im.Width > 0 && im.Height > 0 && (int(im.Width) != f.Width || int(im.Height) != f.Height) {
		problems.Add(problem.SizeDiffers, i, "image %s is %dx%d, not %dx%d", im.ID, f.Width, f.Height, im.Width, im.Height)
	}
}
