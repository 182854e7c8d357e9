// Package images finds the files of a catalog's images on disk and looks at each:
// where it is, what it is, how large it is displayed.
//
// It promises that no path leads out of the dataset's folder, that how names
// lead to files is decided once for the whole dataset, and that every image is
// either ready to be used or reported. It leaves the writing of prepared
// datasets to the writers.
package images

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images/imagefile"
)

// File is one image's file. Path is empty when the image is left out.
type File struct {
	Path string // absolute
	Rel  string // with slashes, relative to the folder of the images
	imagefile.Info
	file int32 // index into the tree's names
}

// Find finds and looks at the file of every image of c. The result has one File
// for each image. Progress is told after each image. It ends the look ahead.
func (f *Folder) Find(ctx context.Context, c *dataset.Catalog, problems *problem.List, progress func(done, total int)) ([]File, error) {
	t, err := f.Tree()
	if err != nil {
		return nil, err
	}
	for i, name := range t.escapes {
		problems.Add(problem.LinkOutOfDataset, i, "%q", name)
	}
	for i, name := range t.empty {
		problems.Add(problem.LinkToNothing, i, "%q", name)
	}
	if t.junk > 0 {
		problems.AddN(problem.FileManagerJunk, t.junk, 0, "such as __MACOSX, ._* and Thumbs.db")
	}
	files := make([]File, len(c.Images))
	locate(c, t, files, problems)
	f.Close()
	err = Each(ctx, len(files), progress, func(i int) error {
		if files[i].Path != "" {
			f.inspect(c.Images[i], i, &files[i], problems)
		}
		return nil
	})
	f.looks = nil // they are in the files now
	return files, err
}

// Frames says the displayed size of each image, 0 where it has no file that can be used.
func Frames(files []File) func(i int) (width, height int) {
	return func(i int) (width, height int) {
		if files[i].Path == "" {
			return 0, 0
		}
		return files[i].Width, files[i].Height
	}
}

// locate fills in Path and Rel.
func locate(c *dataset.Catalog, t *Tree, files []File, problems *problem.List) {
	names := make([]string, len(c.Images))
	for i, im := range c.Images {
		names[i] = im.File
	}
	if leavesRoot(c.ImageRoot) {
		problems.Add(problem.UnsafePath, -1, "storage_info.image_root: %q", c.ImageRoot)
	}
	m := t.Match(usualBases(c.ImageRoot), names)
	used := make([]int32, len(t.names)) // by file: its image's index plus one
	var missing []int
	for i, name := range names {
		if name == "" {
			continue // reported by the reader
		}
		file := m.files[i]
		if file < 0 {
			if _, ok := clean(name); ok || address(name) {
				missing = append(missing, i)
			} else {
				problems.Add(problem.UnsafePath, i, "image %s: %q", c.Images[i].ID, name)
			}
			continue
		}
		rel := t.names[file]
		if kind, differs := m.Differs(i); differs {
			problems.Add(kind, i, "%q is %q", name, rel)
		}
		if before := used[file]; before > 0 {
			problems.Add(problem.SameFile, i, "image %s is image %s: %q", c.Images[i].ID, c.Images[before-1].ID, rel)
			continue
		}
		used[file] = int32(i) + 1
		files[i] = File{Path: t.Path(rel), Rel: rel, file: file}
	}
	reportMissing(c, missing, problems)
	trimBase(files)
	for _, name := range c.Beside {
		if file, ok := t.index[name]; ok && used[file] == 0 {
			used[file] = -1
		}
	}
	reportUnlisted(t, used, len(c.Images)-len(missing), m.Base, problems)
}

func reportMissing(c *dataset.Catalog, missing []int, problems *problem.List) {
	kind := problem.MissingFile
	if len(missing) == len(c.Images) {
		kind = problem.AllFilesMissing
	}
	for _, i := range missing {
		problems.Add(kind, i, "image %s: %q", c.Images[i].ID, c.Images[i].File)
	}
}

// trimBase makes Rel relative to the images' folder: images/ is taken off when
// all names have it.
func trimBase(files []File) {
	const prefix = "images/"
	for _, f := range files {
		if f.Path != "" && !strings.HasPrefix(f.Rel, prefix) {
			return
		}
	}
	for i := range files {
		files[i].Rel = strings.TrimPrefix(files[i].Rel, prefix)
	}
}

// IsImage reports whether a file's suffix is one of an image, be it of a format
// that no reader here takes: whoever put it there should hear of it.
func IsImage(name string) bool { return imageSuffixes[strings.ToLower(path.Ext(name))] }

var imageSuffixes = map[string]bool{
	".jpg": true, ".jpeg": true, ".jpe": true, ".jfif": true, ".mpo": true, ".png": true, ".bmp": true,
	".gif": true, ".tif": true, ".tiff": true, ".webp": true, ".heic": true, ".heif": true, ".avif": true,
	".jp2": true, ".j2k": true, ".jpx": true, ".jpf": true, ".j2c": true, ".dib": true, ".dng": true, ".pfm": true, ".ppm": true, ".pgm": true, ".svg": true,
}

// reportUnlisted counts the images on disk that nobody names. More of them than of
// the others is a sign that half of the dataset was not understood.
func reportUnlisted(t *Tree, used []int32, listed int, base string, problems *problem.List) {
	var unlisted []string
	for i, name := range t.names {
		if used[i] == 0 && strings.HasPrefix(name, base) && IsImage(name) {
			unlisted = append(unlisted, name)
		}
	}
	slices.Sort(unlisted)
	kind := problem.UnlistedFile
	if len(unlisted) > listed {
		kind = problem.MostlyUnlisted
	}
	for i, name := range unlisted {
		problems.Add(kind, i, "%q", name)
	}
}
