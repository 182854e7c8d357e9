// Package coco writes datasets as COCO JSON with the images of each split in a
// folder: annotations/instances_{split}.json and images/{split}/….
//
// It promises files that pycocotools loads: whole image ids, annotation ids from
// 1 that are unique over all splits, category ids that are the class index plus
// one, finite numbers, and info and licenses even where they are empty. It
// leaves which objects are fit for training to package objects.
package coco

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images/imagefile"
	"github.com/vision-platform/trainer-agent/converters/labels"
	"github.com/vision-platform/trainer-agent/converters/write/plan"
	"github.com/vision-platform/trainer-agent/converters/write/staging"
)

// Reader is what PIL reads without plugins, which is what COCO readers open
// images with. Hugging Face datasets and detectron2 turn an image as its EXIF
// block says, torchvision's CocoDetection does not: boxes would fit one of them.
var Reader = plan.Reader{
	Formats: map[string]bool{
		imagefile.JPEG: true, imagefile.PNG: true, imagefile.BMP: true, imagefile.TIFF: true,
		imagefile.WebP: true, imagefile.GIF: true, imagefile.AVIF: true, imagefile.JP2: true,
	},
	Unread: map[string]bool{
		imagefile.FloatColors: true, imagefile.DeeperPixels: true, imagefile.WebPCompress: true, imagefile.BigTIFFMM: true,
		imagefile.OS2Short: true, imagefile.OddBitmap: true, imagefile.TwelveBits: true,
	},
	Disputed: func(string, int) bool { return true },
}

// Write writes the plan's images and annotations to dir. A counter gets the same and keeps nothing.
func Write(ctx context.Context, p *plan.Plan, dir *staging.Dir, progress func(done, total int)) ([]plan.Count, contract.ClassMap, error) {
	w := &writer{Plan: p, tally: plan.NewTally(len(p.Catalog.Classes))}
	p.Mirror()
	w.ids = imageIDs(p)
	for _, split := range contract.Splits {
		if !hasImages(p, split) {
			continue
		}
		err := dir.Fill("annotations/instances_"+string(split)+".json", func(f io.Writer) error {
			return w.split(ctx, split, bufio.NewWriterSize(f, 1<<20))
		})
		if err != nil {
			return nil, contract.ClassMap{}, err
		}
	}
	counts, classes := w.tally.Counts(), p.ClassMap(contract.FormatCOCO)
	return counts, classes, p.Place(ctx, dir, "images/", progress)
}

func hasImages(p *plan.Plan, split contract.Split) bool {
	for i := range p.Images {
		if p.Images[i].Split == split {
			return true
		}
	}
	return false
}

// imageIDs keeps the dataset's ids when all of them are whole numbers from 0 to
// 2^53, which every JSON reader keeps exactly.
func imageIDs(p *plan.Plan) []int64 {
	ids := make([]int64, len(p.Catalog.Images))
	for i, im := range p.Catalog.Images {
		v, err := strconv.ParseInt(im.ID, 10, 64)
		if err != nil || v < 0 || v > 1<<53 || strconv.FormatInt(v, 10) != im.ID {
			p.Problems.AddN(problem.ImageIDsRenumbered, len(p.Images), 0, "%q", im.ID)
			for k := range ids {
				ids[k] = int64(k) + 1
			}
			return ids
		}
		ids[i] = v
	}
	return ids
}

// writer writes one split after the other: annotation ids go on counting.
type writer struct {
	*plan.Plan
	tally *plan.Tally
	ids   []int64
	last  int64 // annotation id
	text  []byte
}

// split writes one file: the images first, then the annotations.
func (w *writer) split(ctx context.Context, split contract.Split, out *bufio.Writer) error {
	w.text = append(w.text[:0], `{"info": {"description": "prepared by trainer-agent", "version": "1.0"}, "licenses": [], "images": [`...)
	first := true
	for i := range w.Images {
		if w.Images[i].Split != split {
			continue
		}
		w.separate(&first)
		w.image(&w.Images[i])
		if err := w.flush(out); err != nil {
			return err
		}
	}
	w.text = append(w.text, "], \"annotations\": ["...)
	first = true
	var clean []labels.Object
	var classes []int
	for i := range w.Images {
		im := &w.Images[i]
		if im.Split != split {
			continue
		}
		clean = w.Rules.Clean(clean[:0], w.Catalog, im.Index, im.Width, im.Height, w.Problems)
		classes = classes[:0]
		for k := range clean {
			w.separate(&first)
			w.annotation(w.ids[im.Index], &clean[k])
			classes = append(classes, clean[k].Class)
		}
		w.tally.Add(split, classes)
		if err := errors.Join(w.flush(out), ctx.Err()); err != nil {
			return err
		}
	}
	w.text = append(w.text, "], \"categories\": ["...)
	w.categories()
	w.text = append(w.text, "]}\n"...)
	return errors.Join(w.flush(out), out.Flush())
}

func (w *writer) separate(first *bool) {
	if !*first {
		w.text = append(w.text, ",\n"...)
	}
	*first = false
}

func (w *writer) flush(out *bufio.Writer) error {
	_, err := out.Write(w.text)
	w.text = w.text[:0]
	return err
}
