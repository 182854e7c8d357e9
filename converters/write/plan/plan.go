// Package plan is what a writer is asked to write: the images of every split
// with their files, and the rules for their objects.
//
// It promises names that no reader misreads and that never meet, the same for
// the same dataset. It leaves the layout of folders and labels to the writers.
package plan

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/dataset"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
	"github.com/vision-platform/trainer-agent/converters/images/imagefile"
	"github.com/vision-platform/trainer-agent/converters/labels"
	"github.com/vision-platform/trainer-agent/converters/write/staging"
)

// Mode is how an image gets into the prepared folder.
type Mode uint8

// The modes. Converted images are written as PNG, pixels as displayed.
const (
	Link Mode = iota
	Copy
	Convert
)

// Image is one image to be written.
type Image struct {
	Index  int // in the catalog
	Path   string
	Rel    string // below the split's folder, with slashes; unique when its suffix is taken off
	Width  int    // displayed frame
	Height int
	Split  contract.Split
	Mode   Mode
}

// Plan is one conversion.
type Plan struct {
	Catalog  *dataset.Catalog
	Rules    labels.Rules
	Images   []Image // in catalog order
	Problems *problem.List
	Measured bool              // no model is trained on it: a split may lack classes
	Renamed  map[string]string // new path -> the dataset's file name; with the split where two may share a path
}

// Lanes are the images by the folder below top that each goes into, in plan order.
func (p *Plan) Lanes(top string, weight int) []staging.Lane {
	var lanes []staging.Lane
	index := make(map[string]int)
	for i := range p.Images {
		name := p.Images[i].folder(top)
		k, known := index[name]
		if !known {
			k = len(lanes)
			index[name] = k
			lanes = append(lanes, staging.Lane{Folder: name, Weight: weight})
		}
		lanes[k].Items = append(lanes[k].Items, int32(i))
	}
	return lanes
}

// folder is where the image goes below top: the split, and the folders of Rel.
func (im *Image) folder(top string) string {
	if i := strings.LastIndexByte(im.Rel, '/'); i >= 0 {
		return top + string(im.Split) + "/" + im.Rel[:i]
	}
	return top + string(im.Split)
}

// Place puts every image below top.
func (p *Plan) Place(ctx context.Context, dir *staging.Dir, top string, progress func(done, total int)) error {
	lanes := p.Lanes(top, 1)
	return dir.Work(ctx, lanes, progress, func() func(*staging.Lane, *staging.Folder, int32) error {
		return func(_ *staging.Lane, f *staging.Folder, i int32) error { return p.Images[i].Put(f) }
	})
}

// Put places the image's file in its folder, under the last part of Rel.
func (im *Image) Put(f *staging.Folder) error {
	name := path.Base(im.Rel)
	switch im.Mode {
	case Copy:
		return f.Copy(im.Path, name)
	case Convert:
		return f.Fill(name, func(out io.Writer) error {
			if err := imagefile.WritePNG(out, im.Path); err != nil {
				return fmt.Errorf("converting %s to PNG: %w", im.Path, err)
			}
			return nil
		})
	}
	return f.Link(im.Path, name)
}
