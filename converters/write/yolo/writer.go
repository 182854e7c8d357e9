// Package yolo writes datasets in the layout that Ultralytics reads for
// detection, segmentation and pose: images/{split}/…, the mirror path under
// labels/ with one text file an image, and data.yaml.
//
// It promises that the reader's own rule leads from every image to its label
// file (section 1.1 of Ultralytics' reader: the last /images/ of the path
// becomes /labels/), that no row makes the reader drop an image, and the same
// bytes for the same dataset. It leaves which objects are fit for training to
// package objects.
package yolo

import (
	"context"
	"path"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images/imagefile"
	"github.com/vision-platform/trainer-agent/converters/write/plan"
	"github.com/vision-platform/trainer-agent/converters/write/staging"
)

// ConfigName is the file that Ultralytics is pointed at.
const ConfigName = "data.yaml"

// Reader is what Ultralytics reads: it drops images with a side below 10 pixels
// and disagrees with itself on EXIF orientations 5 and 7. Those of other formats
// than JPEG are turned by some versions of OpenCV and Pillow and not by others. It
// looks at a file with Pillow and trains on what OpenCV makes of it, so both have to
// read it; HEIC needs a package that its images do not have.
var Reader = plan.Reader{
	Formats: map[string]bool{
		imagefile.JPEG: true, imagefile.PNG: true, imagefile.BMP: true, imagefile.TIFF: true,
		imagefile.WebP: true, imagefile.AVIF: true, imagefile.JP2: true,
	},
	Unread: map[string]bool{
		imagefile.FloatPixels: true, imagefile.FloatColors: true, imagefile.DeepPixels: true, imagefile.DeeperPixels: true,
		imagefile.RareCompress: true, imagefile.WebPCompress: true, imagefile.BigTIFFMM: true,
		imagefile.OS2Short: true, imagefile.OddBitmap: true, imagefile.TwelveBits: true,
	},
	MinSide: 10,
	Disputed: func(format string, orientation int) bool {
		return orientation == 5 || orientation == 7 || format != imagefile.JPEG
	},
}

type writer struct {
	*plan.Plan
	dir   *staging.Dir
	tally *plan.Tally
}

// The folders of the layout.
const (
	imageFolder = "images/"
	labelFolder = "labels/"
)

// What a label costs beside the link of an image: it is an inode, a block and
// the rows too. Measured on ext4 and on tmpfs.
const (
	labelWeight = 5
	imageWeight = 2
)

// Write writes the plan's images and labels to dir. A counter gets the same and keeps nothing.
func Write(ctx context.Context, p *plan.Plan, dir *staging.Dir, progress func(done, total int)) ([]plan.Count, contract.ClassMap, error) {
	w := &writer{p, dir, plan.NewTally(len(p.Catalog.Classes))}
	p.Mirror()
	if p.Rules.Skeleton.Points > 0 && p.Rules.Skeleton.Flip == nil {
		p.Problems.Add(problem.NoFlipIdx, 0, "%d points", p.Rules.Skeleton.Points)
	}
	lanes := append(p.Lanes(labelFolder, labelWeight), p.Lanes(imageFolder, imageWeight)...)
	err := dir.Work(ctx, lanes, halved(progress), func() func(*staging.Lane, *staging.Folder, int32) error {
		var l labeler
		return func(lane *staging.Lane, f *staging.Folder, i int32) error {
			im := &p.Images[i]
			if strings.HasPrefix(lane.Folder, imageFolder) {
				return im.Put(f)
			}
			return w.label(&l, f, im)
		}
	})
	if err != nil {
		return nil, contract.ClassMap{}, err
	}
	counts, classes := w.tally.Counts(), p.ClassMap(contract.FormatYOLO)
	return counts, classes, w.finish(counts)
}

// halved tells images where files are counted, of which an image has two.
func halved(progress func(done, total int)) func(done, total int) {
	if progress == nil {
		return nil
	}
	return func(done, total int) { progress(done/2, total/2) }
}

// label writes the rows of one image.
func (w *writer) label(l *labeler, f *staging.Folder, im *plan.Image) error {
	l.clean = w.Rules.Clean(l.clean[:0], w.Catalog, im.Index, im.Width, im.Height, w.Problems)
	l.start(im.Width, im.Height)
	for k := range l.clean {
		if !l.add(&l.clean[k]) {
			w.Problems.Add(problem.DuplicateObject, l.clean[k].Index, "image %s", w.Catalog.Images[im.Index].ID)
		}
	}
	w.tally.Add(im.Split, l.classes)
	name := path.Base(im.Rel)
	return f.Write(strings.TrimSuffix(name, path.Ext(name))+".txt", l.text)
}

func (w *writer) finish(counts []plan.Count) error {
	names := w.classNames()
	return w.dir.Write(ConfigName, config(w.dir.Final, names, counts, w.Rules.Skeleton))
}
